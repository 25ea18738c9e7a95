"""Runs the measurements by name, all of them without one, and prints a table for each."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from bench import engine, http, images, page, queue, sse
from bench.report import machine

if TYPE_CHECKING:
    from collections.abc import Callable

BENCHES: dict[str, Callable[[], None]] = {
    "engine": engine.run,
    "http": http.run,
    "images": images.run,
    "page": page.run,
    "queue": queue.run,
    "sse": sse.run,
}


def main(names: list[str]) -> int:
    unknown = [name for name in names if name not in BENCHES]
    if unknown:
        print(f"no such bench: {', '.join(unknown)}; there are: {', '.join(BENCHES)}", file=sys.stderr)
        return 2
    print(machine())
    for name in names or BENCHES:
        BENCHES[name]()
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
