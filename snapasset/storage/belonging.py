"""Whether a storage is the one that a record's pictures are in: asked once, before anything else is asked of it.

A wrong answer destroys pictures: what the record names and the storage has not would be dropped from the record, and what
the storage has and the record does not name would be removed. So only what can be seen counts, and in doubt it is refused.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from snapasset.errors import BadConfiguration, StorageUnusable
from snapasset.records.stocktaking import NewestFiles

if TYPE_CHECKING:
    from snapasset.database import Database
    from snapasset.storage import Storage

log = logging.getLogger(__name__)

_LOOKED_FOR: Final = 20
"""How many of the newest files are looked for in a storage that bears no name; one that is there is proof enough."""


async def see_that_it_belongs(storage: Storage, database: Database) -> None:
    """Have `storage` be the one of the record, from now on as well.

    A storage is given the record's name when both are new, and one without a name also when it has files that the record
    names. Raises `StorageUnusable` when it has none of them, `BadConfiguration` when what it holds is another record's,
    or nobody's.
    """
    record_id = database.record_id
    owner = await storage.owner()
    if owner != record_id:
        await _check(storage, owner, await database.read(NewestFiles(_LOOKED_FOR)), record_id)
        log.info("the storage bears the name of this record from now on", extra={"storage": storage.name})
    await storage.belong_to(record_id)


async def _check(storage: Storage, owner: str | None, newest: list[str], record_id: str) -> None:
    remedy = f"write the name of this record, {record_id}, into {storage.mark}."
    if not newest:
        async for _ in storage.list():
            raise BadConfiguration(
                f"The storage ({storage.name}) holds files, and this record names none: either is not the right one. "
                f"If both are, {remedy}"
            )
        return
    if owner is not None:
        raise BadConfiguration(
            f"The storage ({storage.name}) is another record's. If the pictures of this one are all that is in it, {remedy}"
        )
    for key in newest:
        if await storage.find(key) is not None:
            return
    raise StorageUnusable(
        f"The storage ({storage.name}) is not the one that this record's pictures are in: is the volume mounted? "
        f"If they are lost for good, {remedy}"
    )
