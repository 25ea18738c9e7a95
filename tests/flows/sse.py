"""A client of server-sent events as the standard describes it (WHATWG HTML, 9.2.5 and 9.2.6), over httpx.

Unlike a browser's it shows what a test must see: whether a stream ended in good order or was cut.
"""

from __future__ import annotations

import codecs
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import httpx

from tests.flows.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator, Mapping

TIMEOUT: Final = httpx.Timeout(PATIENCE)


class StreamCut(Exception):
    """The connection ended in the middle of the answer."""


class Message(NamedTuple):
    """What `onmessage` and its like would be called with."""

    last_event_id: str
    event: str
    data: str

    @property
    def body(self) -> dict[str, Any]:
        return json.loads(self.data)

    @property
    def type(self) -> str:
        return self.body["type"]

    @property
    def seq(self) -> int:
        """The seq of an event of the record; 0 for what is none: `connected`, and ticks."""
        body = self.body
        return 0 if body["type"] == "connected" else body.get("seq", 0)


class Parser:
    """Cuts bytes into messages, however they arrive."""

    def __init__(self) -> None:
        self.last_event_id = ""
        self.retry: int | None = None
        self.comments = 0
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")("replace")
        self._line = ""
        self._after_cr = False
        self._fields: dict[str, str] = {}
        self._data: list[str] = []
        self._id = ""

    def feed(self, data: bytes) -> Iterator[Message]:
        for character in self._decoder.decode(data):
            if character == "\n" and self._after_cr:
                self._after_cr = False
                continue
            self._after_cr = character == "\r"
            if character not in "\r\n":
                self._line += character
                continue
            line, self._line = self._line, ""
            if line:
                self._take(line)
            elif (message := self._dispatch()) is not None:
                yield message

    def _take(self, line: str) -> None:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not name:
            self.comments += 1
        elif name == "data":
            self._data.append(value)
        elif name == "event":
            self._fields["event"] = value
        elif name == "id" and "\0" not in value:
            self._id = value
        elif name == "retry" and value.isascii() and value.isdigit():
            self.retry = int(value)

    def _dispatch(self) -> Message | None:
        self.last_event_id = self._id
        data, self._data = self._data, []
        event = self._fields.pop("event", "") or "message"
        return Message(self.last_event_id, event, "\n".join(data)) if data else None


class Stream:
    """One open answer, message by message; `messages` keeps all that came."""

    def __init__(self, response: httpx.Response) -> None:
        self.status = response.status_code
        self.headers = response.headers
        self.messages: list[Message] = []
        self.parser = Parser()
        self._arriving = self._messages(response)

    @property
    def last_event_id(self) -> str:
        """What a browser would send to resume."""
        return self.parser.last_event_id

    async def next(self) -> Message:
        """The next message. Raises `StopAsyncIteration` at the end, `StreamCut` when it was cut."""
        return await anext(self._arriving)

    async def until(self, is_it: Callable[[Message], bool]) -> Message:
        """The next message for which `is_it` is true."""
        async for message in self._arriving:
            if is_it(message):
                return message
        raise AssertionError(f"the stream ended before it came: {self.messages}")

    async def rest(self) -> list[Message]:
        """All that comes until the server ends the stream in good order. Raises `StreamCut`."""
        return [message async for message in self._arriving]

    async def until_cut(self) -> list[Message]:
        """All that came over it in its whole life, the server being killed meanwhile."""
        try:
            await self.rest()
        except StreamCut:
            return self.messages
        raise AssertionError("the stream ended in good order")

    async def _messages(self, response: httpx.Response) -> AsyncGenerator[Message]:
        try:
            async for data in response.aiter_raw():
                for message in self.parser.feed(data):
                    self.messages.append(message)
                    yield message
        except httpx.TransportError as error:
            raise StreamCut from error


@asynccontextmanager
async def streaming(
    http: httpx.AsyncClient, url: str, headers: Mapping[str, str], last_event_id: str | None = None
) -> AsyncGenerator[Stream]:
    """Open a stream, as a browser does that has seen `last_event_id`."""
    resume = {"last-event-id": last_event_id} if last_event_id else {}
    headers = {"accept": "text/event-stream", "cache-control": "no-store", **headers, **resume}
    async with http.stream("GET", url, headers=headers, timeout=TIMEOUT) as response:
        yield Stream(response)


def seqs(messages: list[Message]) -> list[int]:
    """The seqs of the events of the record among them."""
    return [message.seq for message in messages if message.seq]


def is_step(step: str, state: str) -> Callable[[Message], bool]:
    """Whether a message tells that `step` has been started, done or failed."""
    return lambda message: (message.body.get("step"), message.body.get("state")) == (step, state)
