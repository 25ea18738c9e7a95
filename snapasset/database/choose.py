"""Which database the settings ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from snapasset.database.sqlite import SqliteDatabase
from snapasset.errors import BadConfiguration

if TYPE_CHECKING:
    from snapasset.database import Database
    from snapasset.settings import Settings


_FILE: Final = "snapasset.db"


def existing_database(settings: Settings) -> Database:
    """The record of these settings, which must be there already. Raises `BadConfiguration` when it is not."""
    if settings.database_url is None and not (settings.data_dir / _FILE).exists():
        raise BadConfiguration("DATA_DIR holds no record.")
    return choose_database(settings)


def make_data_dir(settings: Settings) -> None:
    """Make the folder of everything that is kept, unless it is there. Raises `BadConfiguration`."""
    try:
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)  # prompts are in it
    except OSError as error:
        raise BadConfiguration(f"DATA_DIR is no folder that can be used: {error.strerror}.") from error


def choose_database(settings: Settings) -> Database:
    """The record of these settings, not opened yet; its folder is made. Raises `BadConfiguration`."""
    make_data_dir(settings)
    if settings.database_url is not None:
        from snapasset.database.postgres import PostgresDatabase  # its driver is only for those who use it

        return PostgresDatabase(settings.database_url.get_secret_value())
    return SqliteDatabase(settings.data_dir / _FILE, synchronous=settings.sqlite_synchronous)
