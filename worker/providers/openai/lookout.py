"""How the provider stands: by its own word, asked for seldom, and by what became of the calls.

Invariant: bad news is asked about again in a moment, and a picture that was made ends it at once. Whoever
asks and goes away, as a health check does whose time is over, ends no look; and who asks while the provider is known to be
away does not wait for it.
"""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Final

from snapasset.standing import Standing
from worker.providers.openai.listing import KEY_REFUSED, Listing, list_models

if TYPE_CHECKING:
    from openai import AsyncOpenAI

ILL_SECONDS: Final = 1.5
"""Between looks while the provider is not well."""


class Lookout:
    """Keeps the newest word. `seconds`: how old it may be while all is well.

    For as long a call whose key was refused counts, where the list of models is told to whoever asks for it.
    """

    def __init__(self, client: AsyncOpenAI, seconds: float) -> None:
        self._client = client
        self._seconds = seconds
        self._listing: Listing = Listing(Standing("unknown", "The picture provider has not been asked yet."), {})
        self._due_at = self._made_at = self._refused_until = -math.inf
        self._heard_of, self._heard_at = 0, -math.inf
        self._looking: asyncio.Task[None] | None = None

    async def look(self) -> Listing:
        """How it stands, and its models. Asks when the last word is old; raises nothing of its own."""
        if self._looking is None and _now() >= self._due_at:
            self._looking = asyncio.create_task(self._ask())
        if self._looking is not None and self._word().standing.status != "down":
            await asyncio.wait((self._looking,))
        return self._word()

    def made(self) -> None:
        """Take in that a picture was made: the key is good, and the provider is there."""
        self._made_at, self._refused_until = _now(), -math.inf
        if self._listing.standing.status == "down":
            self._listing = Listing(Standing("ok"), self._listing.models)

    def refused(self) -> None:
        """Take in that a call was not accepted for its key."""
        self._refused_until = _now() + self._seconds
        self.failed()

    def failed(self) -> None:
        """Take in that a call failed: the last word may be old."""
        self._due_at = -math.inf

    def heard(self, failed_at: int) -> bool:
        """Take in when a call of any process last failed, by the record's clock; whether that makes the last word old."""
        news = failed_at != self._heard_of and _now() >= self._heard_at + min(ILL_SECONDS, self._seconds)
        if news:
            self._heard_of, self._heard_at = failed_at, _now()
            self.failed()
        return news

    async def close(self) -> None:
        """Ask no more; harmless when repeated."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait((self._looking,))

    def _word(self) -> Listing:
        if _now() < self._refused_until:
            return Listing(KEY_REFUSED, self._listing.models)
        return self._listing

    async def _ask(self) -> None:
        began = _now()
        try:
            self._take(await list_models(self._client), began)
        finally:
            self._looking = None

    def _take(self, listing: Listing, began: float) -> None:
        down = listing.standing.status == "down"
        if down and began < self._made_at:
            listing = Listing(Standing("ok"), self._listing.models)  # a picture came meanwhile: that is newer
        elif down:
            self._refused_until = -math.inf  # its own word says so, and its own word will say when that is over
        well = listing.standing.status != "down" and _now() >= self._refused_until
        self._listing, self._due_at = listing, _now() + (self._seconds if well else min(ILL_SECONDS, self._seconds))


def _now() -> float:
    return asyncio.get_running_loop().time()
