"""Where finished bytes live: the contract, one adapter a file beside it.

Keys are chosen by the caller, relative, unique for ever (`generations/<id>/<name>`), and the record, not the storage,
decides which of them count. A key is written once; writing it again with the same bytes is harmless.

A storage says whose it is: it bears the name of the record that its files belong to. So a place where the storage ought to
be and is not (a folder whose volume is not mounted, another bucket) is never taken for it; see `storage.belonging`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One file as the storage sees it: its key, its size in bytes, its last change in ms since the epoch."""

    key: str
    size: int
    modified_at: int


class Storage(ABC):
    """A place that keeps files by key.

    Every method may raise `StorageUnavailable` (try again). A key that leaves its root, is absolute, empty or holds a
    control character raises `InvalidInput`, before anything is touched. ASCII letters, digits and ``-_.!'()&$@=;+, `` are
    taken by every storage; what else is, differs.
    """

    name: str
    """What `/health` and the start banner call it."""

    mark: str
    """Where the name of its record stands, in words for whoever has to put it there."""

    setting: str
    """The variable that says where it is, for whoever has to mend it."""

    remote: bool = False
    """Whether it lies beyond a network, and may be away while all the rest is well."""

    @abstractmethod
    async def prepare(self) -> None:
        """Have the place be there and fit to be used; harmless when repeated.

        Raises `StorageUnusable` for what somebody has to mend, `BadConfiguration` for a place that must not be used.
        """

    @abstractmethod
    async def put(self, key: str, data: bytes, content_type: str) -> None:
        """Store `data` under `key`; when this returns, a power cut no longer loses it.

        Raises `StorageFailed` (retryable) or `StorageQuotaExceeded`; then nothing of it is left. After
        `StorageUnavailable` it may be there: the same bytes can be put again, and if nobody does, no row names it.
        """

    @abstractmethod
    async def get(self, key: str) -> bytes:
        """The bytes under `key`. Raises `FileMissing`."""

    @abstractmethod
    def stream(self, key: str, chunk_size: int = 65536) -> AsyncIterator[bytes]:
        """The bytes under `key`, piece by piece. Raises `FileMissing` before the first piece."""

    @abstractmethod
    async def delete(self, keys: Collection[str]) -> frozenset[str]:
        """Remove files; return the keys that were there and are gone now. Missing ones are no error."""

    @abstractmethod
    def list(self, prefix: str = "", *, after: str = "") -> AsyncIterator[StoredFile]:
        """Every file whose key starts with `prefix` and comes after the key `after`, in the order of keys.

        What comes before `after` costs next to nothing, so a long list can be read in parts.
        """

    @abstractmethod
    async def find(self, key: str) -> StoredFile | None:
        """The file under `key` as it is now, None when there is none."""

    @abstractmethod
    async def owner(self) -> str | None:
        """The name of the record whose files these are, None while it bears none."""

    @abstractmethod
    async def belong_to(self, record_id: str) -> None:
        """Bear the name of this record, instead of any other, and be asked for it from now on.

        Whatever finds another name there, or none, raises `StorageUnavailable`: no file is written, removed, listed or
        called missing in a place that only stands where the storage should be.
        """

    @abstractmethod
    async def check(self) -> None:
        """Return when the storage can be written to, else raise `StorageUnavailable`.

        Raises `StorageQuotaExceeded` when nothing is wrong but that there is hardly any room left.
        """

    @abstractmethod
    async def close(self) -> None:
        """Give back what is held. Using the storage afterwards is an error."""


def silence(storage: Storage) -> str:
    """The sentence on a storage that says nothing."""
    return f"The file storage did not answer in time ({storage.setting})."


@runtime_checkable
class Leftovers(Protocol):
    """What a storage can do besides whose writers, when they die, leave something behind that is under no key."""

    async def count_leftovers(self, *, older_than: float = 3600.0) -> int:
        """How many there are that nobody has written to for so many seconds. May raise `StorageUnavailable`."""
        ...

    async def remove_leftovers(self, *, older_than: float = 3600.0) -> int:
        """Remove those; returns how many were removed. May raise `StorageUnavailable`."""
        ...
