"""Which database the settings ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snapasset.database.sqlite import SqliteDatabase
from snapasset.errors import BadConfiguration

if TYPE_CHECKING:
    from snapasset.database import Database
    from snapasset.settings import Settings


def choose_database(settings: Settings) -> Database:
    """The record of these settings, not opened yet; its folder is made. Raises `BadConfiguration`."""
    try:
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)  # prompts are in it
    except OSError as error:
        raise BadConfiguration(f"DATA_DIR is no folder that can be used: {error.strerror}.") from error
    return SqliteDatabase(settings.data_dir / "snapasset.db", synchronous=settings.sqlite_synchronous)
