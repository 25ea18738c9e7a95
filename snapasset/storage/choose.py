"""Which storage the settings ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snapasset.storage.local import LocalStorage

if TYPE_CHECKING:
    from snapasset.settings import Settings
    from snapasset.storage import Storage


async def choose_storage(settings: Settings) -> Storage:
    """The storage of these settings, open. Raises `BadConfiguration`, or `StorageUnavailable` when it does not answer."""
    url, key = settings.supabase_url, settings.supabase_service_key
    if url is None or key is None:
        return LocalStorage(settings.data_dir / "files")
    from snapasset.storage.supabase import SupabaseStorage  # half a second to import: only for those who use it

    return await SupabaseStorage.opened(url, key.get_secret_value(), settings.supabase_bucket)
