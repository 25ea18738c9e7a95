"""What a table of figures looks like, and on what it was measured."""

from __future__ import annotations

import os
import platform
import sqlite3
import statistics
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

_PACKAGES = ("saq", "starlette", "uvicorn", "pydantic", "uvloop", "httptools", "pillow", "numpy")


class Figure(NamedTuple):
    """One line of a table. `target` is what we aim at, in words; `peer` is what stands beside it in the same run."""

    what: str
    value: str
    target: str = ""
    peer: str = ""


def machine() -> str:
    """The machine and the versions, on two lines."""
    model = "unknown processor"
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        model = next(
            (line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line), model
        )
    versions = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    return (
        f"{os.cpu_count()} × {model}, {platform.system()} {platform.release()}, Python {platform.python_version()}, "
        f"SQLite {sqlite3.sqlite_version}\n{versions}"
    )


def table(title: str, figures: Sequence[Figure]) -> None:
    """Print figures in columns."""
    print(f"\n## {title}\n")
    rows = [Figure("what", "measured", "target", "beside it"), *figures]
    widths = [max(len(row[column]) for row in rows) for column in range(len(Figure._fields))]
    for number, row in enumerate(rows):
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |")
        if number == 0:
            print("|" + "|".join("-" * (width + 2) for width in widths) + "|")


def rate(per_second: float) -> str:
    return f"{per_second:,.0f}/s"


def percentile(values: Sequence[float], percent: int) -> float:
    """The given percentile of the values, by linear interpolation; needs at least two values."""
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]
