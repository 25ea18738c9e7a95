"""Python's search for objects that only refer to each other, told what kind of process this is.

Left to itself it looks through all young objects each time 700 more were made than freed, and through all there are whenever
a quarter of them is new. A server with thousands of connections makes objects to keep: a search then finds nothing, again and
again, and takes a third to a half of what a connection costs.
"""

from __future__ import annotations

import gc
from typing import Final

_YOUNG: Final = 20_000
"""Objects made and not freed before the young ones are searched; what is found so late comes to some megabytes."""

_GENERATIONS: Final = (10, 50)
"""Searches of one generation before the next older one is searched as well."""


def search_seldom() -> None:
    """Search less often, and never again through what there is now. Call it when everything has been opened."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, *_GENERATIONS)
