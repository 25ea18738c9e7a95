"""Python's search for objects that only refer to each other, told what kind of process this is.

Left to itself it looks through all young objects each time 700 more were made than freed, and through all there are whenever
a quarter of them is new. A server with thousands of connections makes objects to keep: a search then finds nothing, again and
again, and takes a third to a half of what a connection costs.
"""

from __future__ import annotations

import gc
from typing import Final

_YOUNG: Final = 20_000
"""Objects made and not freed before the young ones are searched; what is found so late comes to some megabytes. A search
for each 5,000 took more time in all, as what is freed meanwhile is mostly older."""

_GENERATIONS: Final = (1, 200)
"""Searches of one generation before the next older one is searched as well. The second looks through all that outlived the
first, each object once: whether often or seldom, it costs the same in all. Nothing else goes on while it does, and after ten
searches of the first that was a tenth of a second in a process with a thousand jobs."""


def search_seldom() -> None:
    """Search less often, and never again through what there is now. Call it when everything has been opened."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, *_GENERATIONS)
