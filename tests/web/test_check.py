"""The checks of web/ run where there is a Node, show what they find, and are left out only where that is allowed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.architecture.check import commands
from web.check import main
from web.node import Failed, Node, NoNode

if TYPE_CHECKING:
    from pathlib import Path


def test_without_a_node_it_is_said_and_in_strict_mode_it_is_a_failure(capfd: pytest.CaptureFixture[str]) -> None:
    for reason in (NoNode("there is none"), Failed("npm has failed")):

        def ready(reason: Exception = reason) -> Node:
            raise reason

        assert main([], strict=False, ready=ready) == 0
        assert f"web/ is not checked: {reason}" in capfd.readouterr().err
        assert main([], strict=True, ready=ready) == 1


@pytest.mark.parametrize("failing", ["biome", "tsc"])
def test_each_check_runs_also_after_one_has_failed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], failing: str
) -> None:
    program, log = tmp_path / "node", tmp_path / "log"
    program.write_text(f'#!/bin/sh\necho "$@" >> {log}\ncase "$1" in *{failing}) echo "$1 is unhappy"; exit 1;; esac\n')
    program.chmod(0o755)
    assert main([], strict=False, ready=lambda: Node(program, "v24.0.0", ())) == 1
    assert f"{failing} is unhappy" in capfd.readouterr().out
    called = log.read_text().splitlines()
    assert ["biome ci --colors=off ." in called[0], "tsc --project tsconfig.json" in called[1]] == [True, True]
    assert main(["--fix"], strict=False, ready=lambda: Node(program, "v24.0.0", ())) == 1
    assert "biome check --write --colors=off ." in log.read_text().splitlines()[2]


def test_they_are_part_of_all_checks() -> None:
    assert commands(["--fix"])["web"][1:] == ["-m", "web.check", "--fix"]
