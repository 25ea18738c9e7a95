"""The schema's history: numbered `.sql` files, one folder a database, each run once and in order.

The first line of a file says which program still suits the schema it leaves behind: `-- min_compatible: N`, the
number of the newest migration such a program must know. A program that meets a newer schema goes on beside it while
the number allows, else it refuses to start. Files are never edited once released; changes expand first and contract
when no old program is left.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.resources import files
from typing import Final

_NAME: Final = re.compile(r"(\d{4})_[a-z_]+\.sql")
_MIN_COMPATIBLE: Final = re.compile(r"-- min_compatible: (\d+)\n")


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema: its number, its name, the oldest program it still suits, its statements."""

    number: int
    name: str
    min_compatible: int
    sql: str


def load(dialect: str) -> tuple[Migration, ...]:
    """All migrations of one database's folder, in order. Raises `ValueError` for a gap or a missing first line."""
    found: list[Migration] = []
    for entry in sorted(files(__name__).joinpath(dialect).iterdir(), key=lambda entry: entry.name):
        match = _NAME.fullmatch(entry.name)
        if match is None:
            continue
        sql = entry.read_text(encoding="utf-8")
        header = _MIN_COMPATIBLE.match(sql)
        if header is None:
            raise ValueError(f"{entry.name} does not say min_compatible in its first line")
        found.append(Migration(int(match[1]), entry.name, int(header[1]), sql))
    if [migration.number for migration in found] != list(range(1, len(found) + 1)):
        raise ValueError(f"the migrations of {dialect} are not numbered 1, 2, 3 …")
    return tuple(found)
