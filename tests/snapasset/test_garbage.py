"""The search for garbage, in a process of its own: seldom, but it takes place."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import gc, weakref
from snapasset import garbage

class Knot:
    pass

def tie():
    knot = Knot()
    knot.itself = knot
    return weakref.ref(knot)

garbage.search_seldom()
searches = sum(one["collections"] for one in gc.get_stats())
kept = [[] for _ in range(15_000)]
tied = tie()
assert sum(one["collections"] for one in gc.get_stats()) == searches, "some thousand objects begin no search"
assert gc.get_freeze_count() > 1_000
kept += [[] for _ in range(15_000)]
assert tied() is None, "and yet a knot is found in the end"
"""


def test_few_searches_and_not_none() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False, timeout=20)
    assert done.returncode == 0, done.stderr
