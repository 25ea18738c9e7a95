"""The container's health check: one good answer is enough, none is said in a sentence, and it never takes long."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from snapasset import healthcheck
from tests.servers.free_port import free_port

if TYPE_CHECKING:
    from collections.abc import Generator

ROOT = Path(__file__).resolve().parents[2]

LATE = 2.5
"""Seconds: within `healthcheck.SECONDS`, and long after those that the tests give."""


@pytest.fixture
def url() -> Generator[str]:
    """A server that answers with the status that the path names; 302 leads to a good answer."""

    def answer(listener: socket.socket) -> None:
        while True:
            try:
                connection = listener.accept()[0]
            except OSError:  # the test is over
                return
            with connection, connection.makefile("rb") as asked:
                status = asked.readline().split()[1].strip(b"/")
                while asked.readline().strip():
                    pass
                lines = b"HTTP/1.1 %s Said\r\nlocation: /200\r\ncontent-length: 0\r\n\r\n" % status
                connection.sendall(lines)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer, args=(listener,))
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


@contextmanager
def late(meanwhile: bytes) -> Generator[str]:
    """A server whose good answer takes until the block is over, `LATE` at most; meanwhile it sends these bytes again and again."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection = listener.accept()[0]
            with connection, suppress(OSError):
                connection.sendall(b"HTTP/1.1 200 OK\r\nx: ")
                until = time.monotonic() + LATE
                while time.monotonic() < until and not over.wait(0.02):
                    connection.sendall(meanwhile)
                connection.sendall(b"\r\ncontent-length: 0\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/health/live"
        over.set()
        thread.join()


@pytest.fixture
def nowhere() -> str:
    return f"http://127.0.0.1:{free_port()}/health/live"


def test_a_good_answer_is_healthy_and_says_nothing(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert healthcheck.main([f"{url}/200"]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("status", [204, 302, 404, 503])
def test_any_other_answer_is_not(url: str, status: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert healthcheck.main([f"{url}/{status}"]) == 1
    assert capsys.readouterr().err == f"unhealthy: {url}/{status} answers {status}\n"


def test_one_good_answer_of_several_is_enough(url: str, nowhere: str) -> None:
    assert healthcheck.main([nowhere, f"{url}/200"]) == 0
    assert healthcheck.main([f"{url}/200", nowhere]) == 0


def test_nobody_there_is_said_of_each(nowhere: str, url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert healthcheck.main([nowhere, f"{url}/503"]) == 1
    said = capsys.readouterr().err
    assert f"{nowhere} gives no answer" in said
    assert f"{url}/503 answers 503" in said
    assert said.count("\n") == 1


def test_an_answer_that_never_ends_is_not_waited_for(capsys: pytest.CaptureFixture[str]) -> None:
    with late(b"x") as url:
        assert healthcheck.main([url], seconds=0.2) == 1  # each byte comes well within it
    assert capsys.readouterr().err == "unhealthy: no answer within 0.2 s\n"


def test_a_server_that_never_answers_is_not_waited_for(capsys: pytest.CaptureFixture[str]) -> None:
    with late(b"") as url:
        assert healthcheck.ask(url, seconds=0.2) == f"{url} gives no answer (timed out)"
    with late(b"") as url:
        assert healthcheck.main([url], seconds=0.2) == 1
    assert capsys.readouterr().err.startswith("unhealthy: ")


def test_it_ends_by_itself_before_docker_gives_up() -> None:
    said = next(
        line for line in (ROOT / "Dockerfile").read_text("utf-8").splitlines() if line.startswith("HEALTHCHECK")
    )
    timeout = re.search(r" --timeout=(\d+)s ", said)
    assert timeout
    assert int(timeout[1]) >= healthcheck.SECONDS + 1  # a second for Python to start


@pytest.mark.parametrize("arguments", [[], ["https://127.0.0.1/"], ["127.0.0.1:8000"], ["http://"], ["http://a:b/"]])
def test_what_is_no_such_address_is_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert healthcheck.main(arguments) == 1
    assert capsys.readouterr().err


def test_a_proxy_of_the_environment_is_not_asked(url: str, nowhere: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", nowhere)
    monkeypatch.delenv("no_proxy", raising=False)
    assert healthcheck.main([f"{url}/200"]) == 0


def test_it_needs_no_package(url: str) -> None:
    words = [sys.executable, "-S", "-m", "snapasset.healthcheck", f"{url}/200"]  # without site-packages
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False, timeout=25)
    assert (done.returncode, done.stderr) == (0, "")
