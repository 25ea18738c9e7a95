"""`python -m snapasset.healthcheck URL…`: whether the process of this container answers; for HEALTHCHECK.

Of several addresses one good answer is enough: one image holds the API and the worker, and a container runs one of them.
It is started every few seconds for as long as the container lives, so it imports nothing but the standard library, and
where to ask is told by its arguments. The answer is waited for at most `SECONDS` in all.

Exit status: 0 healthy, 1 not, with a sentence on stderr. Nothing else: Docker reserves 2.
"""

from __future__ import annotations

import http.client
import sys
import threading
import time
from http import HTTPStatus
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Sequence

SECONDS: Final = 3.0

_USAGE: Final = "usage: python -m snapasset.healthcheck http://HOST:PORT/PATH …"


def main(arguments: Sequence[str], seconds: float = SECONDS) -> int:
    """Ask all of these addresses at once, `seconds` at most; returns the exit status."""
    if not arguments:
        return _complain(_USAGE)
    complaints: SimpleQueue[str | None] = SimpleQueue()

    def report(url: str) -> None:
        complaints.put(ask(url, seconds))

    for url in arguments:
        # A daemon, so that an answer that never ends does not keep the process.
        threading.Thread(target=report, args=(url,), daemon=True).start()
    until = time.monotonic() + seconds
    heard: list[str] = []
    while len(heard) < len(arguments):
        try:
            complaint = complaints.get(timeout=max(0.0, until - time.monotonic()))
        except Empty:
            heard.append(f"no answer within {seconds:g} s")
            break
        if complaint is None:
            return 0
        heard.append(complaint)
    return _complain(f"unhealthy: {'; '.join(heard)}")


def ask(url: str, seconds: float = SECONDS) -> str | None:
    """What is wrong with the answer of this address; None: it is 200. Neither proxies nor redirections are followed.

    `seconds`: longest wait for a connection, and for each piece of the answer.
    """
    try:
        parts = urlsplit(url)
        if parts.scheme != "http" or parts.hostname is None:
            return _USAGE
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=seconds)
        try:
            connection.request("GET", parts.path or "/", headers={"connection": "close"})
            status = connection.getresponse().status
        finally:
            connection.close()
    except (OSError, http.client.HTTPException, ValueError) as error:
        return f"{url} gives no answer ({error or type(error).__name__})"
    return None if status == HTTPStatus.OK else f"{url} answers {status}"


def _complain(sentence: str) -> int:
    sys.stderr.write(f"{sentence}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
