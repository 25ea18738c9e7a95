"""The search for garbage, in a process of its own: seldom, but it takes place, and never through much at once."""

from __future__ import annotations

import subprocess
import sys

SELDOM = """
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

LITTLE = """
import gc
from snapasset import garbage

looked_through = []

def note(phase, about):
    if phase == "start":
        looked_through.append(sum(len(gc.get_objects(generation)) for generation in range(about["generation"] + 1)))

garbage.search_seldom()
gc.callbacks.append(note)
kept = [[] for _ in range(500_000)]
assert len(looked_through) > 10
assert max(looked_through) < 80_000, "while it searches nothing else goes on"
"""


def run(program: str) -> None:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=20)
    assert done.returncode == 0, done.stderr


def test_few_searches_and_not_none() -> None:
    run(SELDOM)


def test_no_search_looks_through_much_of_what_was_made_lately() -> None:
    run(LITTLE)
