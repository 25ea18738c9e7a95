"""A storage in a bucket of a project, ready to be used, as a process has it once it has found it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snapasset.storage.supabase import SupabaseStorage

if TYPE_CHECKING:
    from snapasset.storage.supabase.opening import Patience


async def opened_bucket(url: str, key: str, bucket: str, patience: Patience | None = None) -> SupabaseStorage:
    """The storage, to be closed by the caller, in a bucket that is there. Raises as `connected` and `prepare` do."""
    storage = await SupabaseStorage.connected(url, key, bucket, patience)
    try:
        await storage.prepare()
    except BaseException:
        await storage.close()
        raise
    return storage
