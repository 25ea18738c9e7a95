"""Which Node is taken, what is said where none will do, and that what is run gets the right surroundings."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from web.node import Failed, Node, NoNode, find_node, run

if TYPE_CHECKING:
    from collections.abc import Callable


def program(folder: Path, said: str, name: str = "node", status: int = 0) -> Path:
    """A program that says this of its version."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{said}'\nexit {status}\n")
    path.chmod(0o755)
    return path


def only(**programs: Path) -> Callable[[str], str | None]:
    """A PATH on which these are found."""
    return lambda name: str(programs[name]) if name in programs else None


def wheel(folder: Path, version: str) -> Path:
    """A wheel with a Node of this version, and its npm."""
    program(folder / "bin", version)
    npm = folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    npm.parent.mkdir(parents=True)
    npm.touch()
    return folder


@pytest.mark.parametrize("version", ["v20.19.0", "v20.20.2", "v22.12.0", "v24.0.0", "v123.4.5"])
def test_a_good_one_on_the_path_is_taken(tmp_path: Path, version: str) -> None:
    node = program(tmp_path, version)
    npm = program(tmp_path, "11", "npm")
    assert find_node(only(node=node, npm=npm), wheel(tmp_path / "wheel", "v24.19.0")) == Node(
        node, version, (str(npm),)
    )


@pytest.mark.parametrize("version", ["v18.20.8", "v20.18.3", "v21.7.3", "v22.11.0", "v9.0.0", "24.0.0", "", "v24"])
def test_where_it_is_too_old_or_none_the_wheels_is_taken(tmp_path: Path, version: str) -> None:
    folder = wheel(tmp_path / "wheel", "v24.19.0")
    node = folder / "bin" / "node"
    npm = (str(node), str(folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"))
    assert find_node(only(node=program(tmp_path, version)), folder) == Node(node, "v24.19.0", npm)
    assert find_node(only(), folder).program == node


def test_where_there_is_none_it_is_said_what_was_found(tmp_path: Path) -> None:
    nothing = tmp_path / "no wheel"
    with pytest.raises(NoNode, match=r"needs Node 20\.19, 22\.12 or newer"):
        find_node(only(), nothing)
    old = program(tmp_path, "v18.20.8")
    with pytest.raises(NoNode, match=rf"{old} is v18\.20\.8"):
        find_node(only(node=old), nothing)
    broken = program(tmp_path, "v24.0.0", status=1)
    with pytest.raises(NoNode, match=f"{broken} is nothing that runs"):
        find_node(only(node=broken), nothing)
    with pytest.raises(NoNode, match="nowhere is nothing that runs"):
        find_node(only(node=tmp_path / "nowhere"), nothing)


def test_the_tools_of_this_checkout_bring_one() -> None:
    found = find_node(only())
    assert found.program.is_relative_to(sys.prefix)
    assert Path(found.npm[1]).is_file()


def test_what_is_run_finds_this_node_first_and_is_no_other_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NODE_ENV", "development")
    monkeypatch.setenv("PYTHONHOME", "/elsewhere")
    node = Node(program(tmp_path, "v24.0.0"), "v24.0.0", ())
    said = run(["/bin/sh", "-c", "command -v node; pwd; env"], node, tmp_path, 10).splitlines()
    assert said[:2] == [str(node.program), str(tmp_path)]
    assert not [line for line in said if line.startswith(("NODE_ENV=", "PYTHONHOME="))]


def test_a_failure_tells_all_that_was_said(tmp_path: Path) -> None:
    node = Node(program(tmp_path, "v24.0.0"), "v24.0.0", ())
    with pytest.raises(Failed, match=r"\Aone\ntwo\Z"):
        run(["/bin/sh", "-c", "echo one; echo two >&2; exit 1"], node, tmp_path, 10)
    with pytest.raises(Failed, match="ended with status 7"):
        run(["/bin/sh", "-c", "exit 7"], node, tmp_path, 10)


def test_what_takes_too_long_goes_with_all_that_it_has_started(tmp_path: Path) -> None:
    node = Node(program(tmp_path, "v24.0.0"), "v24.0.0", ())
    os.mkfifo(tmp_path / "held")
    # The grandchild holds the pipe's other end as long as it lives: reading ends when it is gone.
    reader = os.open(tmp_path / "held", os.O_RDONLY | os.O_NONBLOCK)
    with pytest.raises(Failed, match=r"not done in 0\.5 seconds"):
        run(["/bin/sh", "-c", "sleep 60 > held & wait"], node, tmp_path, 0.5)
    os.set_blocking(reader, True)
    assert os.read(reader, 1) == b""
    os.close(reader)
