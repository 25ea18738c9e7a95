"""Answers to clients that speak HTTP/1.0: they know no chunks, so what has no known length goes on until the connection ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send
    from uvicorn._types import ASGI3Application
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle


def without_chunks(app: ASGI3Application, cycle: RequestResponseCycle) -> ASGI3Application:
    """The application, for a request whose answer uvicorn must not cut into chunks. uvicorn closes after it anyway."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        endless = False

        async def unchunked(message: Message) -> None:
            nonlocal endless
            if message["type"] == "http.response.start":
                endless = all(name.lower() != b"content-length" for name, _ in message.get("headers", ()))
                if endless:
                    cycle.chunked_encoding = False
            elif endless:
                cycle.expected_content_length = len(message.get("body", b""))  # it checks the length, part by part
            await send(message)

        await cast("ASGIApp", app)(scope, receive, unchunked)

    return cast("ASGI3Application", answer)
