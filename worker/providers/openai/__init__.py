"""Pictures from OpenAI, or from any server that speaks like it, over OpenAI's own SDK.

One call makes one picture. It is sent once: the SDK's own repetitions are off, because a lost answer may have been charged,
and only the job knows how often that may happen. Whatever comes back is a picture that was decoded, or a named error.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Final

import httpx2
from openai import AsyncOpenAI

from snapasset.errors import (
    BadConfiguration,
    BadPicture,
    DownloadFailed,
    DownloadRefused,
    ProviderError,
)
from snapasset.proxies import by_proxy
from snapasset.standing import Standing
from worker.images.provenance import SourceType
from worker.providers import Charge, GeneratedImage, ImageProvider, Preview
from worker.providers.fetch import Fetcher, Origin
from worker.providers.openai.answers import Answer, ask
from worker.providers.openai.backends import OPENAI_URL, backend_of
from worker.providers.openai.estimates import expected_usage
from worker.providers.openai.faults import KeyRefused, lost, told
from worker.providers.openai.line import open_line
from worker.providers.openai.listing import complaint, warning
from worker.providers.openai.lookout import Lookout
from worker.providers.openai.models import model_of
from worker.providers.openai.order import Wishes
from worker.providers.openai.pictures import inspect, unpack
from worker.providers.openai.prices import counters, read_prices

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from snapasset.settings import Settings
    from worker.images.pool import PixelPool
    from worker.providers import ImageRequest
    from worker.providers.openai.answers import Unfinished
    from worker.providers.openai.order import Order
    from worker.providers.openai.pictures import Picture

log = logging.getLogger(__name__)

_SENT: Final = 0.05
_SHOWN: Final = 0.9
"""The shares of the work that are done when the request is sent, and when the picture is as good as there."""


class OpenAIProvider(ImageProvider):
    """Asks a server for pictures. Made and opened by `choose_provider`; decodes on the pool it is given."""

    simulated = False

    def __init__(
        self,
        settings: Settings,
        pool: PixelPool,
        *,
        today: Callable[[], date] = lambda: datetime.now(UTC).date(),
        pauses: Sequence[float] = (0.5, 2.0),
        look_seconds: float = 60.0,
        fetcher: Fetcher | None = None,
    ) -> None:
        """Read the settings and open nothing. Raises `BadConfiguration`.

        `pauses`: seconds between the attempts to fetch a finished picture; `look_seconds`: how old the provider's word on its
        models may be.
        """
        url = OPENAI_URL if settings.openai_base_url is None else settings.openai_base_url.get_secret_value()
        backend = backend_of(settings.openai_backend, url, settings.openai_image_model)
        model = settings.openai_image_model or backend.default_model
        self._wishes = Wishes(backend, model, settings.image_quality, settings.image_previews)
        self._wishes.check()
        self.name = backend.name
        self.model = model or backend.name
        self.quality = settings.image_quality
        self.paid = backend.paid
        self.sizes = model_of(model).sizes
        self._backend = backend
        self._by_proxy = by_proxy(url)
        self._prices = read_prices(settings.openai_prices_file)
        self._seconds = settings.openai_seconds
        self._pool = pool
        self._today = today
        self._pauses = pauses
        context = httpx2.create_ssl_context()  # reading the certificates takes a while: once, then
        self._line = open_line(settings.openai_seconds, context=context)
        self._fetcher = fetcher or Fetcher(trusted=Origin.of(url), context=context)
        self._client = AsyncOpenAI(
            api_key=_key_of(settings), base_url=url, max_retries=0, timeout=self._line.timeout, http_client=self._line
        )
        self._lookout = Lookout(self._client, look_seconds)

    def estimate(self, request: ImageRequest) -> int | None:
        """By the table of prices; None for a model that is not in it."""
        if not self.paid:
            return 0
        price = self._prices.price_of(self.model)
        if price is None:
            return None
        order = self._wishes.order(request, shown=True)
        return price.micro_usd(expected_usage(order, self._wishes.quality, request.width, request.height))

    async def open(self) -> None:
        """Ask for the models. Raises `BadConfiguration` for one that is no more; a silent provider is only warned of."""
        listing, model, today = await self._lookout.look(), self._wishes.model, self._today()
        if wrong := complaint(model, listing, self._backend, today):
            raise BadConfiguration(wrong)
        if self._by_proxy:
            log.info("the picture provider is asked through the proxy that the environment names")
        for words in (listing.standing.why, warning(model, listing, self._backend, today)):
            if words:
                log.warning("%s", words)

    async def look(self) -> Standing:
        """How the provider stands: as its list of models says, asked for once a minute while all is well, and its last calls.

        Not whether its quota is used up: that stands in the record, which all processes share.
        """
        listing = await self._lookout.look()
        wrong = complaint(self._wishes.model, listing, self._backend, self._today())
        return Standing("down", wrong) if wrong else listing.standing

    def heard(self, failed_at: int) -> bool:
        """What others met is asked about anew, as if it had been met here."""
        return self._lookout.heard(failed_at)

    async def generate(
        self,
        request: ImageRequest,
        progress: Callable[[float], None],
        previews: Callable[[Preview], None] | None = None,
    ) -> GeneratedImage:
        """Have it made: 8 to 300 seconds."""
        order = self._wishes.order(request, shown=previews is not None)
        progress(_SENT)
        try:
            answer, picture = await self._make(order, progress, previews)
        except KeyRefused:
            self._lookout.refused()
            raise
        except ProviderError:
            self._lookout.failed()
            raise
        self._lookout.made()
        _compare(request, answer, picture)
        progress(1.0)
        return GeneratedImage(
            data=picture.data,
            content_type=picture.content_type,
            width=picture.size.width,
            height=picture.size.height,
            model=self.model,
            simulated=self.simulated,
            source=SourceType.TRAINED,
            understood=answer.understood,
            charge=self._charge(answer) if self.paid else None,
        )

    async def close(self) -> None:
        """Close what is held; harmless when repeated."""
        await self._lookout.close()
        await self._client.close()
        await self._fetcher.close()

    async def _make(
        self, order: Order, progress: Callable[[float], None], previews: Callable[[Preview], None] | None
    ) -> tuple[Answer, Picture]:
        """Send the order and read what comes of it, to a picture in hand."""
        answer: Answer | None = None
        deadline = asyncio.timeout(self._seconds)
        try:
            async with deadline, aclosing(ask(self._client, order)) as parts:
                async for part in parts:
                    if isinstance(part, Answer):
                        answer = part
                    else:
                        await self._show(part, previews)
                        progress(_SENT + (_SHOWN - _SENT) * (part.number + 1) / (order.previews + 1))
        except TimeoutError:
            if not deadline.expired():
                raise
            raise lost(f"The picture provider did not answer within {self._seconds:g} s", []) from None
        if answer is None:
            raise lost("The picture provider's answer holds no picture", [])
        progress(_SHOWN)
        request_id = [answer.request_id] if answer.request_id else []
        try:
            return answer, await self._picture(answer)
        except BadPicture as error:
            raise lost(f"The picture provider's answer is no usable picture: {error.detail}", request_id) from error

    async def _picture(self, answer: Answer) -> Picture:
        if answer.packed is not None:
            return await self._pool.run(unpack, answer.packed)
        for pause in (*self._pauses, None):
            try:
                return await self._pool.run(inspect, await self._fetcher.fetch(answer.url or ""))
            except DownloadRefused as error:
                raise DownloadRefused(told(error.detail, answer.request_id)) from error
            except DownloadFailed as error:
                if pause is None:
                    raise DownloadFailed(told(error.detail, answer.request_id)) from error
                await asyncio.sleep(pause)
        raise AssertionError("the last attempt returns or raises")

    async def _show(self, part: Unfinished, previews: Callable[[Preview], None] | None) -> None:
        """Hand on a preview that is a picture; one that is none, or whoever cannot take it, changes nothing."""
        if previews is None:
            return
        try:
            picture = await self._pool.run(unpack, part.packed)
            previews(Preview(part.number, picture.data, picture.content_type, picture.size.width, picture.size.height))
        except BadPicture:
            log.warning("the picture provider sent a preview that is no picture")
        except Exception:
            log.exception("a preview could not be handed on")

    def _charge(self, answer: Answer) -> Charge:
        usage, price = counters(answer.usage), self._prices.price_of(self.model)
        cost = None if price is None else price.micro_usd(usage)
        return Charge(
            request_id=answer.request_id,
            micro_usd=cost,
            priced=None if cost is None else self._prices.as_of.isoformat(),
            quality=answer.quality,
            usage=usage,
        )


def _compare(request: ImageRequest, answer: Answer, picture: Picture) -> None:
    """Log that a picture has another size than was asked for: it was paid for, and is taken as it is."""
    asked, made = f"{request.width}x{request.height}", f"{picture.size.width}x{picture.size.height}"
    if asked != made:
        log.warning(
            "the picture provider made another size than it was asked for",
            extra={"asked": asked, "made": made, "requestId": answer.request_id},
        )


def _key_of(settings: Settings) -> str:
    """The key as it is sent. A server of one's own may want none, but the SDK does. Raises `BadConfiguration`."""
    key = "" if settings.openai_api_key is None else settings.openai_api_key.get_secret_value()
    if not key.isascii() or not all(character.isprintable() and character != " " for character in key):
        raise BadConfiguration("OPENAI_API_KEY has characters that no key has.")
    return key or "none"
