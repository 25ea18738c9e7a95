"""`python -m server`: read the settings, bind the address, say what is there, serve until told to stop.

`python -m server export FILE` and `import FILE` move the record instead of serving it.

Exit status: 0 after a stop in good order, 1 when a part could not be opened, 2 for a configuration that cannot be used.
"""

from __future__ import annotations

from snapasset.early import end_when_told

if __name__ == "__main__":
    end_when_told()  # before the imports that follow

import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from uvicorn.loops.auto import auto_loop_factory

from server.app import create_app
from server.descriptors import with_room
from server.serving import Server
from server.transfer import USAGE, transfer
from snapasset import __version__, process
from snapasset.errors import BadConfiguration
from snapasset.listening import listen
from snapasset.standing import made_by
from snapasset.vitals import look_into_storage

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence

    from server.state import State
    from snapasset.job_type import Catalogue
    from snapasset.settings import Settings
    from snapasset.standing import Standing
    from snapasset.vitals import Keeping

log = logging.getLogger("server")

FIRST_PORT: Final = 8000
_PORTS_TRIED: Final = 10
_TRANSFER_WORDS: Final = 2


def main(kinds: Callable[[Settings], Catalogue] | None = None, arguments: Sequence[str] = ()) -> int:
    """Run the service; returns the exit status. `kinds` makes another catalogue than the product's."""
    if arguments and (len(arguments) != _TRANSFER_WORDS or arguments[0] not in ("export", "import")):
        sys.stderr.write(f"{USAGE}\n")
        return 2
    if arguments:
        command, file = arguments
        return process.run(lambda settings: transfer(command, Path(file), settings), auto_loop_factory())
    return process.run(lambda settings: _serve(settings, kinds), auto_loop_factory())


def check_reach(settings: Settings) -> None:
    """Refuse to let the whole network in unasked. Raises `BadConfiguration`."""
    if not settings.loopback and not settings.allow_anonymous and settings.supabase_url is None:
        raise BadConfiguration(
            "HOST is reachable from other machines, where anybody could use this service without signing in: "
            "set ALLOW_ANONYMOUS=1 if that is meant, or SUPABASE_URL to have users sign in."
        )


def bind(settings: Settings) -> socket.socket:
    """A listening socket. Without PORT the first free one of ten is taken. Raises `BadConfiguration`."""
    first = FIRST_PORT if settings.port is None else settings.port
    tried = range(first, first + (_PORTS_TRIED if settings.port is None else 1))
    try:
        return listen(settings.host, tried, "HOST")
    except OSError as error:
        reason = error.strerror
    if settings.port is None:
        raise BadConfiguration(f"Ports {tried[0]} to {tried[-1]} are all taken ({reason}): set PORT to a free one.")
    raise BadConfiguration(f"PORT cannot be listened on ({reason}): choose another, or leave it unset.")


async def _serve(settings: Settings, kinds: Callable[[Settings], Catalogue] | None) -> int:
    """Serve until a signal comes. Returns how many jobs ignore that they are to end."""
    told = process.told_to_stop()
    check_reach(settings)
    settings = with_room(settings)
    with bind(settings) as listener:
        app = create_app(settings, None if kinds is None else kinds(settings))
        async with process.opened(app.router.lifespan_context(app), told) as parts:
            if parts is None:
                return 0
            state = cast("State", parts)
            keeping = await look_into_storage(state["storage"], settings.health_seconds)
            _announce(state, listener, await state["provider"].look(), keeping)
            server = Server(app, state, told)
            await server.serve(sockets=[listener])
    return server.stuck


def _announce(state: State, listener: socket.socket, standing: Standing, keeping: Keeping) -> None:
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
            **keeping.told(state["storage"].name),
            **made_by(state["provider"].name, standing),
            "url": url,
            "version": __version__,
        },
    )


if __name__ == "__main__":
    sys.exit(main(arguments=sys.argv[1:]))
