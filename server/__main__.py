"""`python -m server`: read the settings, bind the address, say what is there, serve until told to stop.

`python -m server export FILE` and `import FILE` move the record instead of serving it.

Exit status: 0 after a stop in good order, 1 when a part could not be opened, 2 for a configuration that cannot be used.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from uvicorn.loops.auto import auto_loop_factory

from server.app import create_app
from server.serving import Server
from server.transfer import USAGE, transfer
from snapasset import __version__, logs, memory
from snapasset.errors import BadConfiguration, SnapAssetError
from snapasset.settings import read_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from server.state import State
    from snapasset.job_type import Catalogue
    from snapasset.settings import Settings

log = logging.getLogger("server")

FIRST_PORT: Final = 8000
_PORTS_TRIED: Final = 10
_BACKLOG: Final = 2048
_TRANSFER_WORDS: Final = 2
_NOT_OURS: Final = "HOST is no address of this machine."


def main(kinds: Callable[[Settings], Catalogue] | None = None, arguments: Sequence[str] = ()) -> int:
    """Run the service; returns the exit status. `kinds` makes another catalogue than the product's."""
    if arguments and (len(arguments) != _TRANSFER_WORDS or arguments[0] not in ("export", "import")):
        sys.stderr.write(f"{USAGE}\n")
        return 2
    memory.use_one_arena()
    try:
        settings = read_settings()
        logs.configure(settings)
        if arguments:
            asyncio.run(transfer(arguments[0], Path(arguments[1]), settings))
            return 0
        check_reach(settings)
        with bind(settings) as listener, asyncio.Runner(loop_factory=auto_loop_factory()) as runner:
            runner.run(_serve(settings, listener, kinds))
    except BadConfiguration as error:
        return _complain(error, 2)
    except SnapAssetError as error:
        return _complain(error, 1)
    except KeyboardInterrupt:
        return 130
    return 0


def check_reach(settings: Settings) -> None:
    """Refuse to let the whole network in unasked. Raises `BadConfiguration`."""
    if not settings.loopback and not settings.allow_anonymous:
        raise BadConfiguration(
            "HOST is reachable from other machines, where anybody could use this service without signing in: "
            "set ALLOW_ANONYMOUS=1 if that is meant."
        )


def bind(settings: Settings) -> socket.socket:
    """A listening socket. Without PORT the first free one of ten is taken. Raises `BadConfiguration`."""
    try:
        address = socket.getaddrinfo(settings.host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except (OSError, UnicodeError):
        raise BadConfiguration(_NOT_OURS) from None
    first = FIRST_PORT if settings.port is None else settings.port
    tried = range(first, first + (_PORTS_TRIED if settings.port is None else 1))
    reason: str | None = None
    for port in tried:
        try:
            return _listen(address[0], (address[4][0], port, *address[4][2:]))
        except OSError as error:
            if error.errno == errno.EADDRNOTAVAIL:
                raise BadConfiguration(_NOT_OURS) from None
            reason = error.strerror
    if settings.port is None:
        raise BadConfiguration(f"Ports {tried[0]} to {tried[-1]} are all taken ({reason}): set PORT to a free one.")
    raise BadConfiguration(f"PORT cannot be listened on ({reason}): choose another, or leave it unset.")


def _listen(family: int, address: tuple[Any, ...]) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        if sys.platform == "win32":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        # At once, not when all is ready: until it listens, another process could bind the same port.
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    listener.setblocking(False)
    return listener


async def _serve(settings: Settings, listener: socket.socket, kinds: Callable[[Settings], Catalogue] | None) -> None:
    app = create_app(settings, None if kinds is None else kinds(settings))
    async with app.router.lifespan_context(app) as opened:
        state = cast("State", opened)
        _announce(state, listener)
        server = Server(app, state)
        await server.serve(sockets=[listener])
    if server.stuck:
        # Jobs that ignore their cancelling would be waited for without end; the record gives them to others.
        logging.shutdown()
        os._exit(0)


def _announce(state: State, listener: socket.socket) -> None:
    name: tuple[str, int] = listener.getsockname()[:2]
    port = name[1]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(name[0], name[0])  # noqa: S104  what a person can open
    url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    log.info(
        "SnapAsset is ready at %s",
        url,
        extra={
            "mode": state["switch"].mode,
            "database": state["database"].name,
            "storage": state["storage"].name,
            "provider": state["provider"],
            "url": url,
            "version": __version__,
        },
    )


def _complain(error: SnapAssetError, status: int) -> int:
    sys.stderr.write(f"snapasset: {error.detail}\n")
    return status


if __name__ == "__main__":
    sys.exit(main(arguments=sys.argv[1:]))
