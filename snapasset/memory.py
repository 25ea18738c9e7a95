"""The C library's allocator, told what kind of process this is; with any library but glibc nothing is done.

The arrays of a picture are megabytes each, and glibc keeps what is freed for the next. Told to hand it back at each
`free`, it must have every page of every array anew from the system: a sketch takes three quarters more time, a rendition
a fifth. So it keeps them while there is work, and hands them back once there is none. It can do that for its first
arena only; what the others have at their top stays. Hence one arena: threads here hold large blocks for long, and
seldom wait for one another to get them.
"""

from __future__ import annotations

import ctypes
import sys
from functools import cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_M_ARENA_MAX: Final = -8
"""From glibc's <malloc.h>."""


def use_one_arena() -> None:
    """Have all threads share one heap. Threads that have one of their own keep it: call this when a program starts."""
    mallopt = _glibc("mallopt", ctypes.c_int, ctypes.c_int)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 1)


def give_back() -> None:
    """Hand free memory to the system: 1 to 4 ms, on any thread; the interpreter lock is not held meanwhile."""
    malloc_trim = _glibc("malloc_trim", ctypes.c_size_t)
    if malloc_trim is not None:
        malloc_trim(0)


@cache
def _glibc(name: str, *arguments: type[ctypes.c_int | ctypes.c_size_t]) -> Callable[..., int] | None:
    """A function of glibc by its name, or None where the C library is another."""
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None)
    if not hasattr(library, "gnu_get_libc_version"):
        return None
    function = library[name]
    function.argtypes, function.restype = arguments, ctypes.c_int
    return function
