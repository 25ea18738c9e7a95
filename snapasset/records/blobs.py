"""Bytes that were paid for, kept in the record from the commit of their step until the storage has them.

By their keys in that storage. Few, and not for long: but for the time in which the storage is away. They are large: what
reads or writes them says so, and a database beyond a slow network gives that a way of its own (`Write.ahead`, `Read.bulk`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from snapasset.database import Read, Statement, Write
from snapasset.records.placeholders import marks

if TYPE_CHECKING:
    from collections.abc import Collection

    from snapasset.database import Steps


class Blob(NamedTuple):
    """A file's bytes."""

    key: str
    content_type: str
    data: bytes


class TakenBlob(NamedTuple):
    """A file that is to be brought to the storage: its size in bytes, and for how long it has waited, in ms."""

    key: str
    content_type: str
    size: int
    waited_ms: int


class Backlog(NamedTuple):
    """What waits for the storage: how many files, how many bytes, and for how long the oldest has, in ms."""

    files: int
    size: int
    oldest_ms: int


class BlobFacts(NamedTuple):
    """A file as it stands in the record: its size in bytes, its time in ms since the epoch."""

    key: str
    size: int
    created_at: int


def insert_blob(blob: Blob) -> Statement:
    """The statement that keeps it; harmless when a commit whose answer was lost is sent again."""
    return Statement(
        "INSERT INTO blobs (key, content_type, size, created_at, due_at, data) "
        "VALUES ($1, $2, $3, now_ms(), now_ms(), $4) ON CONFLICT (key) DO NOTHING",
        (blob.key, blob.content_type, len(blob.data), blob.data),
    )


def drop_unfiled(key: str, file_id: str) -> Statement:
    """The statement that forgets bytes which came ahead of their file's row, if that has not come."""
    return Statement(
        "DELETE FROM blobs WHERE key = $1 AND NOT EXISTS (SELECT 1 FROM files WHERE id = $2)", (key, file_id)
    )


@dataclass(frozen=True, slots=True)
class KeepBlob(Write[None]):
    """Keep a file's bytes, unless they are kept already: then they are not even sent."""

    blob: Blob

    def steps(self) -> Steps[None]:
        if not (yield Statement("SELECT 1 FROM blobs WHERE key = $1", (self.blob.key,))):
            yield insert_blob(self.blob)


@dataclass(frozen=True, slots=True)
class BlobPart(Read[bytes | None]):
    """At most `size` of the bytes of a file, from `begin` on; None when the record does not keep it."""

    bulk: ClassVar[bool] = True

    key: str
    begin: int
    size: int

    def steps(self) -> Steps[bytes | None]:
        rows = yield Statement(
            "SELECT substr(data, CAST($2 AS integer), CAST($3 AS integer)) FROM blobs WHERE key = $1",
            (self.key, self.begin + 1, self.size),
        )
        return rows[0][0] if rows else None


@dataclass(frozen=True, slots=True)
class FindBlob(Read[BlobFacts | None]):
    """What the record keeps under a key."""

    key: str

    def steps(self) -> Steps[BlobFacts | None]:
        rows = yield Statement("SELECT key, size, created_at FROM blobs WHERE key = $1", (self.key,))
        return BlobFacts._make(rows[0]) if rows else None


@dataclass(frozen=True, slots=True)
class BlobsAfter(Read[list[BlobFacts]]):
    """What the record keeps under keys after `after`, in the order of keys, all of it."""

    after: str

    def steps(self) -> Steps[list[BlobFacts]]:
        rows = yield Statement("SELECT key, size, created_at FROM blobs WHERE key > $1 ORDER BY key", (self.after,))
        return [BlobFacts._make(row) for row in rows]


@dataclass(frozen=True, slots=True)
class BlobBytes(Read[int]):
    """How many bytes the record keeps in all."""

    def steps(self) -> Steps[int]:
        ((size,),) = yield Statement("SELECT CAST(coalesce(sum(size), 0) AS bigint) FROM blobs")
        return size


@dataclass(frozen=True, slots=True)
class BlobBacklog(Read[Backlog | None]):
    """What waits for the storage, None when nothing does."""

    def steps(self) -> Steps[Backlog | None]:
        [row] = yield Statement(
            "SELECT count(*), CAST(coalesce(sum(size), 0) AS bigint), now_ms() - min(created_at) FROM blobs"
        )
        return Backlog._make(row) if row[0] else None


@dataclass(frozen=True, slots=True)
class BlobDue(Read[bool]):
    """Whether something is to be brought to the storage now."""

    def steps(self) -> Steps[bool]:
        return bool((yield Statement("SELECT 1 FROM blobs WHERE due_at <= now_ms() LIMIT 1")))


@dataclass(frozen=True, slots=True)
class TakeBlob(Write[TakenBlob | None]):
    """The next one to be brought to the storage, None when none is due; it is not due to anybody else for `lease_ms`."""

    lease_ms: int

    def steps(self) -> Steps[TakenBlob | None]:
        rows = yield Statement(
            "UPDATE blobs SET due_at = now_ms() + $1 WHERE key = (SELECT key FROM blobs WHERE due_at <= now_ms() "
            "ORDER BY due_at, key LIMIT 1 FOR UPDATE SKIP LOCKED) "
            "RETURNING key, content_type, size, now_ms() - created_at",
            (self.lease_ms,),
        )
        return TakenBlob._make(rows[0]) if rows else None


@dataclass(frozen=True, slots=True)
class PutOffBlob(Write[None]):
    """Have one that was taken be due again after `pause_ms`, and not only when the lease is over."""

    key: str
    pause_ms: int

    def steps(self) -> Steps[None]:
        yield Statement("UPDATE blobs SET due_at = now_ms() + $2 WHERE key = $1", (self.key, self.pause_ms))


@dataclass(frozen=True, slots=True)
class DropBlobs(Write[frozenset[str]]):
    """Keep these no longer; returns the keys of those that were there."""

    keys: Collection[str]

    def steps(self) -> Steps[frozenset[str]]:
        if not self.keys:
            return frozenset()
        rows = yield Statement(
            f"DELETE FROM blobs WHERE key IN ({marks(len(self.keys))}) RETURNING key", tuple(self.keys)
        )
        return frozenset(key for (key,) in rows)
