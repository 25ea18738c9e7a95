"""The server killed and started again under a thousand readers that come back as a browser's EventSource does.

A reader waits as long as `retry` said, asks with the last id that it was given a whole frame for, and stops at 204. So each
ends with a list of seqs, and what is missing or double in it was missed or doubled.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

from bench.queue_log import new_loop
from bench.sse_systems import Cores, Publishing

if TYPE_CHECKING:
    from bench.sse_product import Ours, Product

_TOPICS: Final = 10
_A_TOPIC_A_SECOND: Final = 2
_BEFORE_SECONDS: Final = 2.0
_AFTER_SECONDS: Final = 2.0
_PATIENCE: Final = 30.0
_NO_CONTENT: Final = b"HTTP/1.1 204"


class Recovery(NamedTuple):
    """Seconds from the kill until the last reader was followed again; events made in that time, a reader; what is wrong."""

    back: float
    meanwhile: float
    missing: int
    doubled: int
    unfinished: int


class _Browser:
    """An EventSource, as far as it matters here."""

    def __init__(self, served: Product, topic: str) -> None:
        self.topic = topic
        self.seqs: list[int] = []
        self.joined = 0.0
        self.finished = False
        self._served = served
        self._last = ""
        self._retry = 1.0

    async def run(self) -> None:
        while not self.finished:
            with suppress(OSError, asyncio.IncompleteReadError):
                await self._follow()
            if not self.finished:
                await asyncio.sleep(self._retry)

    async def _follow(self) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._served.port)
        try:
            writer.write(self._served.request(self.topic, self._last or None))
            head = await reader.readuntil(b"\r\n\r\n")
            self.finished = head.startswith(_NO_CONTENT)
            if not self.finished:
                await self._listen(reader)
        finally:
            writer.close()

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        """Take in frames; the sizes of HTTP's chunks stand on lines of their own, which end otherwise."""
        id_, data = b"", b""
        while line := await reader.readline():
            if line.startswith(b"id: "):
                id_ = line[4:-1]
            elif line.startswith(b"data: "):
                data = line
            elif line.startswith(b"retry: "):
                self._retry = int(line[7:]) / 1000
            elif line == b"\n":
                self._dispatch(id_.decode(), data)
                id_, data = b"", b""

    def _dispatch(self, id_: str, data: bytes) -> None:
        if data.startswith(b'data: {"type":"connected"'):
            self.joined = time.monotonic()
        if id_:
            self.seqs.append(int(id_))
            self._last = id_


def recovery(system: Ours, cores: Cores, readers: int) -> Recovery:
    """Readers of some jobs whose publishers go on, in a worker process or, once they are taken up again, in the server."""
    with system.serve(Publishing(_TOPICS, lanes=1), cores) as served, asyncio.Runner(loop_factory=new_loop) as runner:
        return runner.run(_recovery(served, readers))


async def _recovery(served: Product, readers: int) -> Recovery:
    assert served.baton is not None
    browsers = [_Browser(served, served.topics[number % _TOPICS]) for number in range(readers)]
    reading = [asyncio.create_task(browser.run()) for browser in browsers]
    publishing = asyncio.create_task(_publish(served))
    asyncio.get_running_loop().add_reader(served.baton.listener, served.baton.accept)
    await _until_joined(browsers, 0.0)
    await asyncio.sleep(_BEFORE_SECONDS)
    seen = sum(len(browser.seqs) for browser in browsers)
    killed = time.monotonic()
    served.restart()
    await _until_joined(browsers, killed)
    back = max(browser.joined for browser in browsers) - killed
    meanwhile = sum(len(browser.seqs) for browser in browsers) - seen
    await asyncio.sleep(_AFTER_SECONDS)
    publishing.cancel()
    served.baton.close()
    _, unfinished = await asyncio.wait(reading, timeout=_PATIENCE)
    for task in unfinished:
        task.cancel()
    return _judge(browsers, back, meanwhile / readers)


def _judge(browsers: list[_Browser], back: float, meanwhile: float) -> Recovery:
    last = {topic: max(one.seqs[-1] for one in browsers if one.topic == topic) for topic in {b.topic for b in browsers}}
    missing = sum(len({*range(one.seqs[0], last[one.topic] + 1)} - {*one.seqs}) for one in browsers)
    doubled = sum(len(one.seqs) - len({*one.seqs}) for one in browsers)
    return Recovery(back, meanwhile, missing, doubled, sum(not one.finished for one in browsers))


async def _until_joined(browsers: list[_Browser], since: float) -> None:
    """Return when every reader has been greeted later than that, or when it takes too long."""
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline and not all(browser.joined > since for browser in browsers):  # noqa: ASYNC110
        await asyncio.sleep(0.02)


async def _publish(served: Product) -> None:
    while True:
        for topic in served.topics:
            served.publish(topic)
            await asyncio.sleep(1 / (_A_TOPIC_A_SECOND * _TOPICS))
