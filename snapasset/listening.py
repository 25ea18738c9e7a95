"""A listening socket at an address that an operator has named; a complaint about it names the variable, never the value."""

from __future__ import annotations

import errno
import socket
import sys
from typing import TYPE_CHECKING, Any, Final

from snapasset.errors import BadConfiguration

if TYPE_CHECKING:
    from collections.abc import Iterable

_BACKLOG: Final = 2048


def listen(host: str, ports: Iterable[int], variable: str) -> socket.socket:
    """Listen on the first of these ports that is free; 0 is any. It may ask for the address of a name.

    Raises `BadConfiguration` when `host`, the value of `variable`, is no address of this machine, and what the system
    says of the last port when none is free.
    """
    not_ours = BadConfiguration(f"{variable} is no address of this machine.")
    try:
        # Without the port: with one, the C library takes "*" for every address there is.
        family, *_, address = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except (OSError, UnicodeError):
        raise not_ours from None
    refused = OSError()
    for port in ports:
        try:
            return _listen(family, (address[0], port, *address[2:]))
        except OSError as error:
            if error.errno == errno.EADDRNOTAVAIL:
                raise not_ours from None
            refused = error
    raise refused


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
