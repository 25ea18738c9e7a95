"""Supabase Storage as its clients meet it: the REST endpoints that the SDK calls, over HTTP, with the real server's answers.

Nearly every failure is HTTP 400 with what it means in the body; a gateway before it refuses keys that it does not know. What
goes wrong on the way is scripted: see `Fault`.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
import socket
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple
from uuid import uuid4

import uvicorn
from starlette.applications import Starlette
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.fakes.supabase_auth import FakeAuth

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Generator

    from starlette.requests import Request

    Handler = Callable[[Request], Awaitable[Response]]

KEY: Final = "sb_secret_of-the-fake-and-of-nothing-else"
ANON: Final = "sb_anonymous_of-the-fake-and-of-no-use"

_KEY_LETTERS: Final = re.compile(r"[\w/!\-.*'() &$@=;:+,?]+", re.ASCII)
_CURSOR_PARTS: Final = re.compile(r"([loca]):(.*)")
_MOST_LISTED: Final = 1000
_MOST_REMOVED: Final = 1000

Mishap = Literal["refused", "lost", "cut", "page", "hang", "nothing"]


@dataclass
class Fault:
    """What happens to the next `times` requests whose method and path hold the pattern `to`.

    refused: answered with `status`, and nothing done. lost: done, and answered with `status` all the same. cut: done, and the
    connection breaks in the middle of the answer. page: a page of HTML, with `status`. hang: no answer. nothing: said to be
    done, with an empty list, and not done.
    """

    mishap: Mishap
    to: str = ""
    times: float = 1
    status: int = 500
    error: str = "InternalError"
    message: str = "Internal server error"


class StoredObject(NamedTuple):
    id: str
    data: bytes
    content_type: str
    cache_control: str
    created_at: float
    updated_at: float


@dataclass
class Bucket:
    public: bool
    created_at: float
    objects: dict[str, StoredObject] = field(default_factory=dict[str, StoredObject])


class Refused(Exception):
    """How the real server says no."""

    def __init__(self, status: int, error: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"statusCode": str(status), "error": error, "message": message}

    def answer(self) -> Response:
        return JSONResponse(self.body, 500 if self.status == 500 else 400)


def no_bucket() -> Refused:
    return Refused(404, "Bucket not found", "Bucket not found")


class FakeSupabase:
    """One project, and hands to look into it and to break it. `requests` are the methods and paths, in order."""

    def __init__(self) -> None:
        self.port = 0
        self.buckets: dict[str, Bucket] = {}
        self.requests: list[str] = []
        self.gateway = True
        """Whether a gateway looks at keys first, as it does before every hosted project."""
        self.old = False
        """Whether it is an older server: loose about prefixes, silent about when something changed, strange to cursors."""
        self.largest = 50_000_000
        self.auth = FakeAuth(lambda: self.url)
        self._faults: list[Fault] = []
        self._healed = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def break_down(self, *faults: Fault) -> None:
        self._healed.clear()
        self._faults += faults

    def heal(self) -> None:
        self._faults.clear()
        self._healed.set()
        self.auth.mood = "well"

    def sent(self, pattern: str) -> int:
        """How many requests there were whose method and path hold this pattern."""
        return sum(bool(re.search(pattern, request)) for request in self.requests)

    def application(self) -> Starlette:
        def route(path: str, methods: str, handler: Handler) -> Route:
            return Route(f"/storage/v1{path}", self._surrounded(handler), methods=methods.split())

        return Starlette(
            routes=[
                route("/bucket", "POST", self._make_bucket),
                route("/bucket/{bucket}", "GET", self._bucket),
                route("/bucket/{bucket}", "DELETE", self._drop_bucket),
                route("/bucket/{bucket}/empty", "POST", self._empty_bucket),
                route("/object/info/{bucket}/{key:path}", "GET", self._info),
                route("/object/list-v2/{bucket}", "POST", self._list),
                route("/object/{bucket}/{key:path}", "POST", self._upload),
                route("/object/{bucket}/{key:path}", "GET", self._download),
                route("/object/{bucket}", "DELETE", self._remove),
                *self.auth.routes(),
            ]
        )

    # --- what surrounds every request

    def _surrounded(self, handler: Handler) -> Handler:
        async def handle(request: Request) -> Response:
            said = f"{request.method} {request.url.path.removeprefix('/storage/v1')}"
            self.requests.append(said)
            fault = self._fault(said)
            mishap = fault.mishap if fault is not None else None
            if fault is not None and mishap in ("refused", "hang", "page", "nothing"):
                await request.body()
                return await self._mishandled(fault)
            try:
                self._let_in(request)
                answer = await handler(request)
            except Refused as refused:
                answer = refused.answer()
            if fault is not None and mishap == "lost":
                return Refused(fault.status, fault.error, fault.message).answer()
            return _cut(answer) if mishap == "cut" else answer

        return handle

    def _fault(self, said: str) -> Fault | None:
        for fault in self._faults:
            if fault.times > 0 and re.search(fault.to, said):
                fault.times -= 1
                return fault
        return None

    async def _mishandled(self, fault: Fault) -> Response:
        if fault.mishap == "nothing":
            return JSONResponse([])
        if fault.mishap == "page":
            return HTMLResponse("<h1>Something else</h1>", fault.status)
        if fault.mishap == "hang":
            while not self._healed.is_set():  # noqa: ASYNC110  it is set by another thread
                await asyncio.sleep(0.02)
        if fault.status in (401, 402, 429, 502, 503, 504):  # said by what stands before the server
            return JSONResponse({"message": fault.message}, fault.status)
        return Refused(fault.status, fault.error, fault.message).answer()

    def _let_in(self, request: Request) -> None:
        key = request.headers.get("authorization", "").removeprefix("Bearer ")
        known = key in (KEY, ANON)
        if known and (not self.gateway or request.headers.get("apikey") == key):
            request.state.service = key == KEY
            return
        if self.gateway:
            raise GatewayRefused
        if request.method == "GET" and "/object/" in request.url.path:
            raise no_bucket()  # so it says to whoever it does not know
        raise Refused(403, "Unauthorized", "Invalid Compact JWS")

    def _of(self, request: Request) -> Bucket:
        bucket = self.buckets.get(request.path_params["bucket"])
        if bucket is None or not request.state.service:
            raise no_bucket()
        return bucket

    def _object(self, request: Request) -> StoredObject:
        found = self._of(request).objects.get(request.path_params["key"])
        if found is None:
            raise Refused(404, "not_found", "Object not found")
        return found

    # --- buckets

    async def _make_bucket(self, request: Request) -> Response:
        asked = await request.json()
        if not request.state.service:
            raise Refused(403, "Unauthorized", "new row violates row-level security policy")
        if asked["id"] in self.buckets:
            raise Refused(409, "Duplicate", "The resource already exists")
        self.buckets[asked["id"]] = Bucket(asked.get("public", False), time.time())
        return JSONResponse({"name": asked["name"]})

    async def _bucket(self, request: Request) -> Response:
        bucket, name = self._of(request), request.path_params["bucket"]
        at = _iso(bucket.created_at)
        limits: dict[str, Any] = {"file_size_limit": None, "allowed_mime_types": None, "type": "STANDARD"}
        return JSONResponse(
            {
                "id": name,
                "name": name,
                "owner": "",
                "public": bucket.public,
                "created_at": at,
                "updated_at": at,
                **limits,
            }
        )

    async def _empty_bucket(self, request: Request) -> Response:
        self._of(request).objects.clear()
        return JSONResponse({"message": "Empty bucket has been queued. Completion may take up to an hour."})

    async def _drop_bucket(self, request: Request) -> Response:
        if self._of(request).objects:
            raise Refused(409, "InvalidRequest", "The bucket you tried to delete is not empty")
        del self.buckets[request.path_params["bucket"]]
        return JSONResponse({"message": "Successfully deleted"})

    # --- objects

    async def _upload(self, request: Request) -> Response:
        name, bucket = request.path_params["key"], self._of(request)
        data, content_type, seconds = _form(request.headers["content-type"], await request.body())
        if not _KEY_LETTERS.fullmatch(name):
            raise Refused(400, "InvalidKey", f"Invalid key: {name}")
        if len(data) > self.largest:
            raise Refused(413, "Payload too large", "The object exceeded the maximum allowed size")
        old = bucket.objects.get(name)
        if old is not None and request.headers.get("x-upsert") != "true":
            raise Refused(409, "Duplicate", "The resource already exists")
        now = time.time()
        identity, since = (old.id, old.created_at) if old else (str(uuid4()), now)
        bucket.objects[name] = StoredObject(identity, data, content_type, f"max-age={seconds}", since, now)
        return JSONResponse({"Key": f"{request.path_params['bucket']}/{name}", "Id": identity})

    async def _download(self, request: Request) -> Response:
        found = self._object(request)
        headers = {"cache-control": found.cache_control, "etag": f'"{found.id}"'}
        return Response(found.data, headers=headers, media_type=found.content_type)

    async def _info(self, request: Request) -> Response:
        found = self._object(request)
        body = {
            "id": found.id,
            "name": request.path_params["key"],
            "version": found.id,
            "bucket_id": request.path_params["bucket"],
            "size": len(found.data),
            "content_type": found.content_type,
            "cache_control": found.cache_control,
            "created_at": _iso(found.created_at),
        }
        return JSONResponse(body if self.old else {**body, "last_modified": _iso(found.updated_at)})

    async def _remove(self, request: Request) -> Response:
        objects, names = self._of(request).objects, (await request.json())["prefixes"]
        if not names or len(names) > _MOST_REMOVED:
            raise Refused(400, "InvalidRequest", f"Bulk object requests are limited to {_MOST_REMOVED} objects")
        gone = {name: objects.pop(name) for name in names if name in objects}
        bucket = request.path_params["bucket"]
        return JSONResponse([{"name": name, "bucket_id": bucket, "id": found.id} for name, found in gone.items()])

    async def _list(self, request: Request) -> Response:
        asked, objects = await request.json(), self._of(request).objects
        limit, prefix = min(asked.get("limit", _MOST_LISTED), _MOST_LISTED), asked.get("prefix", "")
        if asked.get("with_delimiter") or asked.get("sortBy", {"column": "name"})["column"] != "name":
            raise Refused(400, "NotSupported", "the fake knows one way to list")
        after = self._start(asked["cursor"]) if asked.get("cursor") else ""
        beyond = [name for name in sorted(objects, key=str.encode) if name > after and self._begins(name, prefix)]
        page = beyond[:limit]
        body: dict[str, Any] = {
            "hasNext": len(beyond) > limit,
            "folders": [],
            "objects": [_listed(name, objects[name]) for name in page],
        }
        if len(beyond) > limit:
            parts = f"l:{page[-1]}\no:asc\nc:name" if self.old else f"l:{page[-1]}"
            body["nextCursor"] = base64.b64encode(parts.encode()).decode()
        return JSONResponse(body)

    def _start(self, cursor: str) -> str:
        try:
            parts = base64.b64decode(cursor, validate=True).decode().split("\n")
        except (binascii.Error, UnicodeDecodeError):
            raise Refused(400, "InvalidParameter", "Invalid Parameter continuation token") from None
        told = {match[1]: match[2] for part in parts if (match := _CURSOR_PARTS.fullmatch(part))}
        if len(told) != len(parts) or (self.old and "c" not in told):
            raise Refused(500, "InternalError", "Invalid continuation token")
        return told["l"]

    def _begins(self, name: str, prefix: str) -> bool:
        if self.old:
            return bool(re.match(re.escape(prefix).replace("_", "."), name, re.IGNORECASE))
        return name.startswith(prefix)


class GatewayRefused(Refused):
    def __init__(self) -> None:
        super().__init__(401, "", "Invalid API key")

    def answer(self) -> Response:
        return JSONResponse({"message": "Invalid API key", "hint": "Double check your API key."}, 401)


def _listed(name: str, found: StoredObject) -> dict[str, Any]:
    return {
        "id": found.id,
        "key": name,
        "name": name,
        "created_at": _iso(found.created_at),
        "updated_at": _iso(found.updated_at),
        "last_accessed_at": _iso(found.updated_at),
        "metadata": {
            "eTag": f'"{found.id}"',
            "size": len(found.data),
            "mimetype": found.content_type,
            "cacheControl": found.cache_control,
            "lastModified": _iso(found.updated_at),
            "contentLength": len(found.data),
            "httpStatusCode": 200,
        },
    }


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _form(content_type: str, body: bytes) -> tuple[bytes, str, str]:
    """The file of a form, its type, and for how many seconds it may be kept."""
    boundary = b"--" + content_type.partition("boundary=")[2].encode()
    fields: dict[str, tuple[bytes, bytes]] = {}
    for part in body.split(boundary)[1:-1]:
        head, _, value = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        name = re.search(rb' name="([^"]*)"', head)
        assert name is not None, head
        fields[name[1].decode()] = (head, value.removesuffix(b"\r\n"))
    head, data = fields["file"]
    told = re.search(rb"content-type: ([^\r\n]+)", head, re.IGNORECASE)
    return data, told[1].decode() if told else "text/plain", fields["cacheControl"][1].decode()


def _cut(answer: Response) -> Response:
    """An answer that says how long it is, and of which only the first half comes."""
    body = bytes(answer.body)

    async def half() -> AsyncIterator[bytes]:
        yield body[: len(body) // 2]

    headers = {"content-length": str(len(body))}
    return StreamingResponse(half(), answer.status_code, headers, answer.media_type)


@contextmanager
def running_supabase() -> Generator[FakeSupabase]:
    """A project that answers on a port of this machine, from a thread of its own."""
    fake = FakeSupabase()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        fake.port = listener.getsockname()[1]
        config = uvicorn.Config(fake.application(), log_config=None, log_level=100, lifespan="off", access_log=False)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listener],), name="fake-supabase")
        thread.start()
        try:
            yield fake
        finally:
            fake.heal()
            server.should_exit = True
            thread.join(10)
