"""Which storage the settings ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snapasset.storage.local import LocalStorage
from snapasset.storage.sought import SoughtStorage

if TYPE_CHECKING:
    from snapasset.database import Database
    from snapasset.settings import Settings
    from snapasset.storage import Storage


async def choose_storage(settings: Settings, database: Database) -> Storage:
    """The storage of these settings, which nobody was asked about yet. Raises `BadConfiguration`."""
    url, key = settings.supabase_url, settings.supabase_service_key
    if url is None or key is None:
        return LocalStorage(settings.data_dir / "files")
    from snapasset.storage.supabase import SupabaseStorage  # half a second to import: only for those who use it

    storage = await SupabaseStorage.connected(url, key.get_secret_value(), settings.supabase_bucket)
    return SoughtStorage(storage, database)
