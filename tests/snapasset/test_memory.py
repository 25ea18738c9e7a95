"""Memory that goes back to the system, measured in processes of their own: what the allocator is told stays told."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

needs_glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc's allocator is told anything")

HOARD = """
import ctypes, re, threading
from pathlib import Path
from snapasset import memory

def rss():
    return int(re.search(r"VmRSS:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) // 1000

def hoard():
    blocks = [bytes(60_000) for _ in range(2_000)]
    blocks[:-1] = []
    return blocks
"""

ELSEWHERE = """
import sys
sys.platform = {system!r}
import ctypes
from snapasset import memory

class Library:
    def __getitem__(self, name):
        raise SystemExit(f"{{name}} was called")

def load(name):
    return {library} or sys.exit("the library was loaded")

ctypes.CDLL = load
memory.use_one_arena()
memory.give_back()
"""


def run(program: str) -> list[int]:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=20)
    assert done.returncode == 0, done.stderr
    return [int(word) for word in done.stdout.split()]


@needs_glibc
def test_what_is_free_goes_back_to_the_system():
    before, after = run(HOARD + "kept = hoard()\nbefore = rss()\nmemory.give_back()\nprint(before, rss())")
    assert before > 100
    assert after < before - 80


@needs_glibc
@pytest.mark.parametrize(("told", "heaps"), [("", 2), ("memory.use_one_arena()", 1)])
def test_a_thread_has_a_heap_of_its_own_unless_there_is_to_be_one_for_all(told: str, heaps: int):
    program = f"""{HOARD}
import os
{told}
thread = threading.Thread(target=hoard)
thread.start()
thread.join()
library = ctypes.CDLL(None)
library.fdopen.restype = ctypes.c_void_p
read, write = os.pipe()
stream = ctypes.c_void_p(library.fdopen(write, b"w"))
library.malloc_info(0, stream)
library.fflush(stream)
print(os.read(read, 65_536).count(b"<heap nr="))
"""
    assert run(program) == [heaps]


@pytest.mark.parametrize("system", ["darwin", "win32"])
def test_no_library_is_looked_into_where_the_system_is_another(system: str):
    assert run(ELSEWHERE.format(system=system, library="None")) == []


def test_nothing_is_called_where_the_c_library_is_another():
    assert run(ELSEWHERE.format(system="linux", library="Library()")) == []
