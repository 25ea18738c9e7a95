"""Who makes the master: the contract, one provider a file or folder beside it.

A provider makes one picture for one request and keeps nothing. It never retries by itself (the job does, by the error's
`retryable`), never stands in for another provider, and says of every picture how it was made. Nothing heavy is
imported here: the server reads `ImageType` for its checks.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from snapasset.standing import Standing
from worker.images.planning import Size, SizeRules, plan_size

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from worker.images.planning import Target
    from worker.images.provenance import SourceType


class ImageType(StrEnum):
    """The style that is asked for."""

    VIVID = "vivid"
    """Saturated, high in contrast."""

    NATURAL = "natural"
    """Muted, soft."""


@dataclass(frozen=True, slots=True)
class ImageRequest:
    """One picture that is wanted.

    Attributes:
        prompt: the words, any language, not blank.
        width: pixels, as `plan_size` of the provider gave it; `height` likewise.
        image_type: the style.
        seed: another seed gives another picture of the same words; a provider that cannot be seeded ignores it.
        owner: an opaque, stable mark of who asks, for providers that want one against abuse; never a name or address.
    """

    prompt: str
    width: int
    height: int
    image_type: ImageType = ImageType.VIVID
    seed: int = 0
    owner: str | None = None


@dataclass(frozen=True, slots=True)
class Charge:
    """What a paid call used and cost, as the provider said it. Unknown parts are None or missing.

    Attributes:
        request_id: the provider's own name for the call.
        micro_usd: the price in millionths of a US dollar, from the usage and a dated price table.
        priced: the date of that table, YYYY-MM-DD.
        quality: how finely the picture was really drawn.
        usage: the provider's counters, such as tokens by kind.
    """

    request_id: str | None = None
    micro_usd: int | None = None
    priced: str | None = None
    quality: str | None = None
    usage: Mapping[str, int] = field(default_factory=dict[str, int])


@dataclass(frozen=True, slots=True)
class Preview:
    """An unfinished picture, to be shown while the finished one is being made, and a picture that can be decoded.

    Attributes:
        index: 0, 1, 2 … in the order in which they become finer.
        data: the file as it came.
        content_type: of `data`.
        width: pixels; `height` likewise.
    """

    index: int
    data: bytes
    content_type: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class GeneratedImage:
    """One picture that was made.

    Attributes:
        data: the file as it came, to be kept untouched; not yet checked by `worker.images.decode`.
        content_type: of `data`.
        width: pixels that were really made; `height` likewise.
        model: which model, or which version of the painter.
        simulated: not made by a model; such a picture shows a badge.
        source: how it was made, for the mark in each file.
        focal: the point (0 to 1 from the left and from the top) that crops should keep; None when nobody knows.
        understood: what the provider took from the prompt, in words for a person; None when it does not say.
        charge: what it cost; None when it was free.
    """

    data: bytes
    content_type: str
    width: int
    height: int
    model: str
    simulated: bool
    source: SourceType
    focal: tuple[float, float] | None = None
    understood: str | None = None
    charge: Charge | None = None


class ImageProvider(ABC):
    """Makes pictures.

    Attributes:
        name: stable, lower case; stored with every picture.
        model: which model or version it asks.
        paid: whether a call costs money; then its step is saved before and after, and never repeated unseen.
        simulated: whether its pictures are simulated.
        sizes: what it can make.
        quality: how finely it is told to draw.
    """

    name: str
    model: str
    quality: str = "auto"
    paid: bool
    simulated: bool
    sizes: SizeRules

    def plan_size(self, targets: Collection[Target]) -> Size:
        """The size to ask for when these platforms are wanted; see `worker.images.planning.plan_size`."""
        return plan_size(targets, self.sizes)

    @abstractmethod
    async def generate(
        self,
        request: ImageRequest,
        progress: Callable[[float], None],
        previews: Callable[[Preview], None] | None = None,
    ) -> GeneratedImage:
        """Make one picture.

        `progress` is called on the event loop, with shares of the work from 0 to 1 that never fall, and not again once
        this has returned, raised or been cancelled. Cancelling is safe at any time; a paid call that is under way is
        then of unknown outcome.

        `previews` is given unfinished pictures, if the provider makes any; without it none is asked for. It is called
        like `progress` and must not hold up the loop: whoever wants to store them does so beside the call. What it raises
        is logged and changes nothing, for no preview is worth a paid picture.

        Raises `ProviderError` or one of its kind; `AnswerLost` or one of its kind, and no other, when the call may have
        been charged without an answer. `ContentPolicy`, `ProviderQuotaExceeded`, `ProviderRefused` and `InvalidPrompt`
        are final.
        """

    def estimate(self, request: ImageRequest) -> int | None:
        """What this picture is expected to cost, in millionths of a US dollar, rather too much than too little.

        0 when pictures are free; None when nobody knows.
        """
        del request
        return None if self.paid else 0

    async def look(self) -> Standing:
        """How whoever makes the pictures stands with us; see `snapasset.standing.Stands`."""
        return Standing("ok")

    def heard(self, failed_at: int) -> bool:
        """Take in that a call failed, of whichever process; see `snapasset.standing.Stands`."""
        del failed_at
        return False

    @abstractmethod
    async def close(self) -> None:
        """Give back what is held. Using the provider afterwards is an error."""
