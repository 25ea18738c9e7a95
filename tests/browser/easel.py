"""A provider of pictures that paints when the test says so: what is seen in the middle of a job can be looked at in peace."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from tests.fakes.openai import KEY, FakeOpenAI, completed, file_of, packed, partial
from tests.flows.waiting import PATIENCE

if TYPE_CHECKING:
    from tests.fakes.openai import Call


class Easel:
    """A picture under way: its previews are shown at once, the picture itself when it is `finish`ed."""

    def __init__(self) -> None:
        self._begun = asyncio.Event()
        self._done = asyncio.Event()

    async def __call__(self, call: Call) -> None:
        fields = call.request.fields
        size = fields["size"]
        *previews, picture = await asyncio.to_thread(self.paint, fields["prompt"], size, fields["partial_images"])
        await call.head(200, "text/event-stream")
        for number, preview in enumerate(previews):
            await call.send(partial(number, size, b64_json=packed(preview)).encode())
        self._begun.set()
        await self._done.wait()
        call.bill()
        await call.send(completed(size, b64_json=packed(picture)).encode())

    def paint(self, _prompt: str, size: str, previews: int) -> list[bytes]:
        """So many previews, then the picture: files of this size."""
        return [file_of(size)] * (previews + 1)

    async def begun(self) -> None:
        """Wait until there is something to be seen of it."""
        async with asyncio.timeout(PATIENCE):
            await self._begun.wait()

    def finish(self) -> None:
        self._done.set()


def painted_by(fake: FakeOpenAI, **others: Any) -> dict[str, Any]:
    """The settings of a server whose pictures this provider makes; it hands on the previews that it gets."""
    return {
        "openai_api_key": KEY,
        "openai_base_url": fake.url,
        "openai_backend": "openai",
        "image_previews": 2,
        **others,
    }
