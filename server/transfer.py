"""`python -m server export FILE` and `import FILE`: the record moves to another database, or into a safe place.

An export may be made while the service runs. An import wants an empty record that no service has open.
"""

from __future__ import annotations

import gzip
import io
import os
import sys
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Final, cast

from snapasset.database import Liveness
from snapasset.database.choose import choose_database, existing_database
from snapasset.errors import BadConfiguration, Conflict, InvalidInput, SnapAssetError
from snapasset.records.transfer import Export, Import

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

    from snapasset.database import Database
    from snapasset.settings import Settings

USAGE: Final = """usage: python -m server                 serve
       python -m server export FILE     write the record into a new file; compressed if its name ends in .gz
       python -m server import FILE     fill an empty record from such a file"""

_MOST_LINE: Final = 1 << 26
"""Longest line that is read: a file that is no export must not fill the memory."""


async def transfer(command: str, path: Path, settings: Settings) -> None:
    """Carry out `export` or `import`. Raises `BadConfiguration` for a file, or a record, that cannot be used."""
    database = existing_database(settings) if command == "export" else choose_database(settings)
    await database.open()
    try:
        counts = await (_export(database, path) if command == "export" else _import(database, path))
    except (Conflict, InvalidInput) as error:
        raise BadConfiguration(error.detail) from error
    except (OSError, UnicodeDecodeError, EOFError, gzip.BadGzipFile) as error:
        raise BadConfiguration(f"The file cannot be used: {error}.") from error
    finally:
        await database.close()
    told = ", ".join(f"{count} {table.replace('_', ' ')}" for table, count in counts.items() if count)
    sys.stderr.write(f"snapasset: {command}ed {told or 'an empty record'}.\n")


async def _export(database: Database, path: Path) -> dict[str, int]:
    with _new_file(path) as file:
        return await database.read(Export(file.write))


async def _import(database: Database, path: Path) -> dict[str, int]:
    if isinstance(database, Liveness) and database.anybody():
        raise Conflict("A service has this record open: stop it first.")
    try:
        return await database.write(Import(lambda: _lines(path)))
    except (SnapAssetError, OSError, UnicodeDecodeError, EOFError):
        raise
    except Exception as error:
        # Each database has words of its own for rows that break the rules of its tables.
        raise InvalidInput(f"The file has a row that the record cannot take: {error}.") from error


@contextmanager
def _new_file(path: Path) -> Generator[IO[str]]:
    """A file for this user's eyes only, under its name when it is whole and durable, and not at all otherwise."""
    if path.exists():
        raise BadConfiguration("The file exists already; an export goes into a new one.")
    draft = path.with_name(f".{path.name}.part")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as raw:
            packed = gzip.GzipFile(fileobj=raw, mode="wb", filename="") if path.suffix == ".gz" else None
            with _texts(packed or raw) as file:
                yield file
            raw.flush()
            os.fsync(raw.fileno())
        draft.rename(path)
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def _texts(binary: object) -> Generator[IO[str]]:
    text = io.TextIOWrapper(cast("IO[bytes]", binary), encoding="utf-8", write_through=True)
    yield text
    text.flush()
    text.detach()
    if isinstance(binary, gzip.GzipFile):
        binary.close()


def _lines(path: Path) -> Iterator[str]:
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as file:
        while line := file.readline(_MOST_LINE):
            yield line
