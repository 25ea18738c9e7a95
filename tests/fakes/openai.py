"""OpenAI's pictures, as a server of ours that does what a test tells it: over real HTTP, counting what it would bill.

Every frame is made by the SDK's own types, and every request is held against them and against what OpenAI refuses. What
is sent on purpose as no real server would send it goes through `says` and `streams` as plain text.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import re
import socket
import struct
import zlib
from collections.abc import Awaitable, Callable
from functools import cache
from io import BytesIO
from typing import TYPE_CHECKING, Any, NamedTuple, Self, cast

from openai.types import ImageGenCompletedEvent, ImageGenPartialImageEvent, ImagesResponse, Model
from openai.types.image_generate_params import ImageGenerateParamsNonStreaming, ImageGenerateParamsStreaming
from PIL import Image
from pydantic import TypeAdapter, ValidationError

if TYPE_CHECKING:
    import ssl

KEY = "sk-a-key-of-the-tests"
USAGE = {
    "input_tokens": 20,
    "input_tokens_details": {"text_tokens": 20, "image_tokens": 0},
    "output_tokens": 1_000,
    "total_tokens": 1_020,
}
MICRO_USD = 20 * 5 + 1_000 * 30
"""What that costs by the built-in prices."""

_MODELS = {"gpt-image-2.6-flare": None, "gpt-image-2": None, "gpt-5": None, "gpt-image-1.5": "2026-12-01"}
_REQUESTS = {False: TypeAdapter(ImageGenerateParamsNonStreaming), True: TypeAdapter(ImageGenerateParamsStreaming)}


class Request(NamedTuple):
    """A request as it came in."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def fields(self) -> dict[str, Any]:
        return json.loads(self.body)


class Call:
    """A request under way, and the connection on which it is answered."""

    def __init__(self, fake: FakeOpenAI, request: Request, writer: asyncio.StreamWriter) -> None:
        self.request = request
        self._fake = fake
        self._writer = writer

    @property
    def number(self) -> int:
        return len(self._fake.requests)

    def bill(self) -> None:
        """The picture was made: whatever becomes of the answer, it is paid for."""
        self._fake.bills += 1

    async def head(self, status: int, content_type: str, headers: dict[str, str] | None = None) -> None:
        """Begin an answer whose end is the end of the connection."""
        lines = {
            "content-type": content_type, "connection": "close", "x-request-id": f"req_{self.number}", **(headers or {}),
        }  # fmt: skip
        text = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        self._writer.write(f"HTTP/1.1 {status} Whatever\r\n{text}\r\n".encode())

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    def reset(self) -> None:
        """Break the connection off, so that the other side sees it as broken and not as ended."""
        sock: socket.socket = self._writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    async def hang(self) -> None:
        """Say nothing more until the fake is closed, or the other side goes away."""
        self._fake.hung.set()
        await asyncio.Event().wait()


Behaviour = Callable[[Call], Awaitable[None]]


class FakeOpenAI:
    """`async with FakeOpenAI(first, second) as fake`: each request for a picture is met by the next behaviour, then by `made`.

    Attributes:
        bills: how many pictures were made.
        requests: those for pictures, in order.
        models: names and shutdown dates.
        tells_models: what it does instead when it is asked for them.
        keys: those it accepts; None: whatever comes.
        strict: whether it refuses what OpenAI refuses; another server may want other fields.
        looks: how often the models were asked for.
        connections: how many were opened.
    """

    def __init__(
        self, *script: Behaviour, strict: bool = True, tls: ssl.SSLContext | None = None, port: int = 0
    ) -> None:
        self.script = list(script)
        self.bills = 0
        self.looks = 0
        self.connections = 0
        self.requests: list[Request] = []
        self.models: dict[str, str | None] = dict(_MODELS)
        self.tells_models: Behaviour | None = None
        self.keys: set[str] | None = {KEY}
        self.strict = strict
        self.files: dict[str, tuple[str, bytes]] = {}
        self.fetches: list[str] = []
        self.hung = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._tls = tls
        self._port = port
        self._server: asyncio.Server | None = None

    @property
    def port(self) -> int:
        assert self._server is not None
        return self._server.sockets[0].getsockname()[1]

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.origin}/v1"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port, limit=1 << 20, ssl=self._tls)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = cast("asyncio.Task[None]", asyncio.current_task())
        self._tasks.add(task)
        self.connections += 1
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                await self._answer(Call(self, await _read(reader), writer))
        except asyncio.CancelledError:
            writer.transport.abort()
        finally:
            self._tasks.discard(task)
            with contextlib.suppress(ConnectionError):
                writer.close()
                await writer.wait_closed()

    async def _answer(self, call: Call) -> None:
        request = call.request
        key = request.headers.get("authorization", "").removeprefix("Bearer ")
        if request.path in self.files:
            self.fetches.append(request.path)
            kind, data = self.files[request.path]
            await says(data, kind, billed=False)(call)
        elif self.keys is not None and key not in self.keys:
            message = f"Incorrect API key provided: {key}."
            await refuses(401, "invalid_api_key", message=message)(call)
        elif (request.method, request.path) == ("GET", "/v1/models"):
            self.looks += 1
            await self._tell_models(call)
        elif (request.method, request.path) == ("POST", "/v1/images/generations"):
            self.requests.append(request)
            wrong = complaint(request.fields) if self.strict else None
            behaviour = (
                refuses(400, "invalid_value", message=wrong) if wrong else self.script.pop(0) if self.script else made
            )
            await behaviour(call)
        else:
            await refuses(404, "unknown_url")(call)

    async def _tell_models(self, call: Call) -> None:
        if self.tells_models is not None:
            return await self.tells_models(call)
        rows = [
            Model(id=name, created=1, object="model", owned_by="system", shutdown_date=day).to_dict()
            for name, day in self.models.items()
        ]
        return await says({"object": "list", "data": rows}, billed=False)(call)


# --- what it can do


async def made(call: Call) -> None:
    """The picture that was asked for, as it was asked for; other words give another picture."""
    fields = call.request.fields
    size, tint = fields["size"], zlib.crc32(fields["prompt"].encode()) % 256
    call.bill()
    if not fields.get("stream"):
        return await says(answer({"b64_json": packed(file_of(size, tint=tint))}), billed=False)(call)
    frames = [partial(number, size) for number in range(fields["partial_images"])]
    last = completed(size, b64_json=packed(file_of(size, tint=tint)))
    return await streams(*frames, last, billed=False)(call)


def refuses(
    status: int, code: str | None = None, *, kind: str | None = None, param: str | None = None,
    message: str = "No.", headers: dict[str, str] | None = None,
) -> Behaviour:  # fmt: skip
    """An error as OpenAI tells it; nothing is billed."""
    error = {"message": message, "type": kind or "invalid_request_error", "param": param, "code": code}
    return says({"error": error}, status=status, headers=headers, billed=False)


def says(
    body: dict[str, Any] | bytes | str, content_type: str = "application/json", *, status: int = 200,
    billed: bool = True, headers: dict[str, str] | None = None,
) -> Behaviour:  # fmt: skip
    """Any body at all, after the picture was made and billed."""
    data = json.dumps(body).encode() if isinstance(body, dict) else body.encode() if isinstance(body, str) else body

    async def behave(call: Call) -> None:
        if billed:
            call.bill()
        await call.head(status, content_type, headers)
        await call.send(data)

    return behave


def streams(*frames: str | bytes, then: str = "end", billed: bool = True) -> Behaviour:
    """Events, one after the other; then the stream ends, is cut off, or hangs."""

    async def behave(call: Call) -> None:
        if billed:
            call.bill()
        await call.head(200, "text/event-stream")
        for frame in frames:
            await call.send(frame if isinstance(frame, bytes) else frame.encode())
        if then == "cut":
            call.reset()
        elif then == "hang":
            await call.hang()

    return behave


async def loses_the_answer(call: Call) -> None:
    """Made, billed, and the connection breaks before a word of it is told."""
    call.bill()
    call.reset()


async def hangs(call: Call) -> None:
    """Made, billed, and never told."""
    call.bill()
    await call.hang()


# --- what it sends


@cache
def file_of(size: str = "1024x1024", format_: str = "PNG", tint: int = 90) -> bytes:
    """A picture as a file."""
    width, height = map(int, size.split("x"))
    grey = Image.linear_gradient("L").resize((width, height))
    file = BytesIO()
    Image.merge("RGB", (grey, grey, Image.new("L", grey.size, tint))).save(file, format_, compress_level=1)
    return file.getvalue()


def packed(data: bytes) -> str:
    return base64.b64encode(data).decode()


def picture(size: str = "1024x1024") -> dict[str, Any]:
    return {"b64_json": packed(file_of(size))}


def answer(*pictures: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A whole answer."""
    usage = {**USAGE, "output_tokens_details": {"image_tokens": USAGE["output_tokens"], "text_tokens": 0}}
    whole = {"created": 1, "data": list(pictures), "quality": "medium", "output_format": "png", "usage": usage}
    return ImagesResponse.model_validate({**whole, **fields}).to_dict()


def partial(number: int, size: str = "1024x1024", **fields: Any) -> str:
    event = ImageGenPartialImageEvent.model_validate(
        {**_event(size), "type": "image_generation.partial_image", "partial_image_index": number, **fields}
    )
    return frame(event.type, event.to_dict())


def completed(size: str = "1024x1024", **fields: Any) -> str:
    whole = {**_event(size), "type": "image_generation.completed", "usage": USAGE, **fields}
    event = ImageGenCompletedEvent.model_validate(whole)
    return frame(event.type, event.to_dict())


def frame(event: str, data: object) -> str:
    """One event of a stream."""
    return f"event: {event}\ndata: {data if isinstance(data, str) else json.dumps(data)}\n\n"


def _event(size: str) -> dict[str, Any]:
    return {
        "b64_json": packed(file_of(size)), "background": "opaque", "created_at": 1, "output_format": "png",
        "quality": "medium", "size": size,
    }  # fmt: skip


# --- what it refuses


def complaint(fields: dict[str, Any]) -> str | None:
    """Why OpenAI would refuse a request to a gpt-image model."""
    adapter = _REQUESTS[bool(fields.get("stream"))]
    try:
        known = adapter.validate_python(fields)
    except ValidationError as error:
        return str(error)
    if unknown := fields.keys() - known.keys():
        return f"unknown: {unknown}"
    if wrong := fields.keys() & {"response_format", "style", "user"}:
        return f"not for gpt-image models: {wrong}"
    if fields.get("quality") in ("standard", "hd"):
        return "no such quality"
    if fields.get("model") not in _MODELS:
        return "no such model"
    width, height = map(int, re.fullmatch(r"(\d+)x(\d+)", fields["size"]).groups())  # type: ignore[union-attr]
    whole = width % 16 == 0 == height % 16 and max(width, height) <= min(3_840, 3 * min(width, height))
    return None if whole and 655_360 <= width * height <= 8_294_400 else f"no such size: {fields['size']}"


async def _read(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, path, _ = head[0].split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Request(method, path, headers, body)
