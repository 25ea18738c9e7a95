"""A master that is there already: made for the same owner, by the same provider, from just the same words and parameters."""

from __future__ import annotations

import hashlib
import json
import logging
from typing import TYPE_CHECKING, NamedTuple

from snapasset.errors import FileMissing

if TYPE_CHECKING:
    from snapasset.storage import Storage
    from worker.masters import LikeMaster, Masters
    from worker.providers import ImageProvider, ImageRequest

log = logging.getLogger(__name__)


class Earlier(NamedTuple):
    """An earlier master with its bytes, and the mark by which it was found."""

    master: LikeMaster
    data: bytes
    likeness: str


def likeness_of(order: ImageRequest, provider: ImageProvider) -> str:
    """A mark of all that makes a master what it is. Whose it is, is no part of it: that is asked for beside it."""
    parts = (
        provider.name, provider.model, provider.quality, order.prompt, order.image_type.value, order.width, order.height,
        order.seed,
    )  # fmt: skip
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


async def find_earlier(
    masters: Masters, storage: Storage, order: ImageRequest, provider: ImageProvider
) -> Earlier | None:
    """The owner's newest master like the one that is wanted whose file is there, None when there is none.

    Raises `StorageUnavailable` rather than have something paid for that may be there.
    """
    likeness = likeness_of(order, provider)
    for found in await masters.like(order.owner or "", likeness):
        try:
            return Earlier(found, await storage.get(found.key), likeness)
        except FileMissing:
            log.warning("a master that was to be taken again is gone", extra={"generationId": found.generation_id})
    return None
