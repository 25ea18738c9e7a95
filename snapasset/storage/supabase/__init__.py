"""Files in a private bucket of Supabase Storage.

Nothing here is taken back: whatever failed on the way may have been done, so everything can be done again. A key is written
with leave to replace it, by the same bytes; what was to be removed is looked for afterwards. What may be over in a moment is
asked for again before anybody hears of it.

The name of its record stands in a hidden file of the bucket. A bucket that was emptied, or made anew, has none.
"""

from __future__ import annotations

import asyncio
import math
import secrets
import time
from contextlib import aclosing, suppress
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, TypeVar

import httpx
from storage3.exceptions import StorageApiError

from snapasset.errors import FileMissing, StorageFailed, StorageUnavailable, StorageUnusable
from snapasset.storage import Storage, StoredFile
from snapasset.storage.supabase.failures import FAMILIES, Passing, why, why_not_stored
from snapasset.storage.supabase.listing import PAGE, check_remote_key, file_of, files_of, question
from snapasset.storage.supabase.opening import Patience, Project, connect, have_bucket

if TYPE_CHECKING:
    import builtins
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection

    from storage3.types import FileOptions, SearchV2Result

T = TypeVar("T")

_PROBE_SECONDS: Final = 60.0
"""How long something stored shows that more can be; the health check is asked every few seconds, and a request costs."""

_AT_ONCE: Final = 8
"""Questions side by side, where there may be hundreds."""

_YEAR: Final = "31536000"
_HIDDEN: Final = ".snapasset"
_MARK: Final = f"{_HIDDEN}-record"
_PROBE: Final = f"{_HIDDEN}-probe"


class SupabaseStorage(Storage):
    """Files of one bucket. `connected` makes one."""

    remote = True
    setting = "SUPABASE_URL"

    def __init__(self, project: Project, bucket: str, patience: Patience) -> None:
        self.name = f"Supabase bucket {bucket}"
        self.mark = f"the file {_MARK} in it"
        self.project = project
        self._bucket = bucket
        self._files = project.storage.from_(bucket)
        self._patience = patience
        self._record_id: str | None = None
        self._seen_at = -math.inf
        self._stored_at = -math.inf

    @classmethod
    async def connected(cls, url: str, key: str, bucket: str, patience: Patience | None = None) -> SupabaseStorage:
        """The storage in this project's bucket; nobody was asked yet whether it is there. Raises `BadConfiguration`."""
        patience = patience or Patience()
        return cls(await connect(url, key, patience), bucket, patience)

    async def prepare(self) -> None:
        await have_bucket(self.project.storage, self._bucket)

    async def put(self, key: str, data: bytes, content_type: str) -> None:
        check_remote_key(key)
        await self._see_whose(self._patience.sure)
        await self._again(lambda: self._upload(key, data, content_type, _YEAR))

    async def get(self, key: str) -> bytes:
        check_remote_key(key)
        try:
            return await self._again(lambda: _asked(self._files.download(key)))
        except FileMissing:
            await self._see_whose()
            raise

    async def stream(self, key: str, chunk_size: int = 65536) -> AsyncIterator[bytes]:
        check_remote_key(key)
        try:
            answer = await self._again(lambda: _asked(self._begin(key)))
        except FileMissing:
            await self._see_whose()
            raise
        try:
            async for piece in answer.aiter_bytes(chunk_size):
                yield piece
        except FAMILIES as error:
            raise why(error) from error
        finally:
            await answer.aclose()

    async def delete(self, keys: Collection[str]) -> frozenset[str]:
        names = sorted({check_remote_key(key) for key in keys})
        if not names:
            return frozenset()
        await self._see_whose()
        gone: set[str] = set()
        for begin in range(0, len(names), PAGE):
            gone |= await self._remove(names[begin : begin + PAGE])
        return frozenset(gone)

    async def list(self, prefix: str = "", *, after: str = "") -> AsyncIterator[StoredFile]:
        await self._see_whose()
        async with aclosing(self._pages(prefix, after)) as pages:
            async for page in pages:
                for file in page:
                    yield file
        await self._see_whose()  # a bucket that was emptied meanwhile looks as if it had never held more

    async def find(self, key: str) -> StoredFile | None:
        file = await self._look(check_remote_key(key))
        if file is None:
            await self._see_whose()
        return file

    async def owner(self) -> str | None:
        return await self._again(self._read_mark)

    async def belong_to(self, record_id: str) -> None:
        if await self.owner() != record_id:
            # Not kept by anything between here and there: who asks must hear what stands there now.
            await self._again(lambda: self._upload(_MARK, record_id.encode(), "text/plain", "0"))
        self._record_id = record_id
        await self._see_whose()

    async def check(self) -> None:
        if self._record_id is not None:
            self._compare(await self._read_mark())  # asked once: how it is now is what is wanted
        if self._record_id is None or time.monotonic() - self._stored_at > _PROBE_SECONDS:
            try:
                await self._again(lambda: self._upload(_PROBE, b"", "text/plain", "0"))
            except StorageFailed as error:
                if type(error) is StorageFailed:
                    raise StorageUnavailable(error.detail) from error
                raise

    async def close(self) -> None:
        await self.project.close()

    # --- whose it is

    async def _read_mark(self) -> str | None:
        try:
            mark = await _asked(self._files.download(_MARK, query_params={"asked": secrets.token_hex(8)}))
        except FileMissing:
            return None
        return mark.decode(errors="replace").strip()

    async def _see_whose(self, sure_seconds: float = 0.0) -> None:
        """Raise `StorageUnavailable` when this is not the bucket that it was said to be, by a look no older than this."""
        if self._record_id is None or time.monotonic() - self._seen_at < sure_seconds:
            return
        self._compare(await self._again(self._read_mark))

    def _compare(self, mark: str | None) -> None:
        if mark != self._record_id:
            raise StorageUnusable(
                "The bucket is not the one that this record's pictures are in: was it emptied, or is it another one "
                "(SUPABASE_URL, SUPABASE_BUCKET)?"
            )
        self._seen_at = time.monotonic()

    # --- one request each

    async def _upload(self, key: str, data: bytes, content_type: str, seconds: str) -> None:
        options: FileOptions = {"content-type": content_type, "cache-control": seconds, "upsert": "true"}
        try:
            stored = await self._files.upload(key, data, options)
        except FAMILIES as error:
            raise why_not_stored(error) from error
        if stored.full_path != f"{self._bucket}/{key}":
            raise StorageFailed("A file could not be stored: the storage has put it under another key.")
        self._stored_at = time.monotonic()

    async def _begin(self, key: str) -> httpx.Response:
        """The answer whose body is the file; the SDK would read all of it first."""
        http, at, headers = self.project.readers, self.project.at, self.project.headers
        request = http.build_request(
            "GET", f"{at}object/{self._bucket}/{key}", headers={**headers, "accept-encoding": "identity"}
        )
        answer = await http.send(request, stream=True)
        try:
            if not answer.is_success:
                await answer.aread()
            answer.raise_for_status()
        except httpx.HTTPStatusError as error:
            raise _as_the_sdk_says(error) from error
        return answer

    async def _look(self, key: str) -> StoredFile | None:
        async def look() -> StoredFile:
            return file_of(key, await self._files.info(key))

        with suppress(FileMissing):
            return await self._again(lambda: _asked(look()))
        return None

    async def _remove(self, names: builtins.list[str]) -> set[str]:
        """Remove these and say which have gone. What the server does not name is looked for, and if there, not removed.

        When an answer was lost on the way, those that are not there have gone as well, though some may have gone before.
        """
        lost = False

        async def remove() -> set[str]:
            nonlocal lost
            try:
                return {str(entry["name"]) for entry in await self._files.remove(names)}
            except FAMILIES:
                lost = True
                raise

        told = await self._again(lambda: _asked(remove()))
        untold = [name for name in names if name not in told]
        room = asyncio.Semaphore(_AT_ONCE)

        async def is_there(name: str) -> bool:
            async with room:
                return await self._look(name) is not None

        if there := sum(await asyncio.gather(*map(is_there, untold))):
            raise StorageUnavailable(f"{there} of {len(names)} files could not be removed.")
        return set(names) if lost else told.intersection(names)

    async def _pages(self, prefix: str, after: str) -> AsyncGenerator[builtins.list[StoredFile]]:
        """The files after `after`, in the order of keys, a page at a time."""
        cursor: str | None = None
        while True:
            page = await self._page(prefix, after, cursor)
            files = files_of(page.objects, prefix, after)
            if any(one.key >= other.key for one, other in pairwise(files)):
                raise StorageUnavailable("The file storage lists its files out of order.")
            yield files
            if not page.hasNext:
                return
            if not page.nextCursor or page.nextCursor == cursor:
                raise StorageUnavailable("The file storage lists its files without an end.")
            after, cursor = files[-1].key if files else after, page.nextCursor

    async def _page(self, prefix: str, after: str, cursor: str | None) -> SearchV2Result:
        asked = question(prefix, after, cursor)
        try:
            return await self._again(lambda: _asked(self._files.list_v2(asked)))
        except StorageUnavailable:
            if cursor or not after:
                raise
        return await self._page(prefix, "", None)  # it may be that it takes no cursor but its own

    async def _again(self, call: Callable[[], Awaitable[T]]) -> T:
        """Do it, and once or twice more while it fails for what may be over in a moment."""
        until = time.monotonic() + self._patience.trouble
        for pause in self._patience.pauses:
            try:
                return await call()
            except Passing:
                if time.monotonic() + pause > until:
                    raise
            await asyncio.sleep(pause)
        return await call()


async def _asked(call: Awaitable[T]) -> T:
    """What a call of the SDK answers. Raises what is named."""
    try:
        return await call
    except FAMILIES as error:
        raise why(error) from error


def _as_the_sdk_says(error: httpx.HTTPStatusError) -> StorageApiError:
    """What an answer means, read as the SDK reads those of its own calls."""
    try:
        said: dict[str, Any] = error.response.json()
        return StorageApiError(said["message"], said["error"], said["statusCode"])
    except (KeyError, TypeError, ValueError):
        return StorageApiError("", "InternalError", error.response.status_code)
