"""A process that is told to stop while it still imports ends at once, in good order, and has served nothing."""

from __future__ import annotations

import signal
import sys
from subprocess import PIPE, Popen
from typing import TYPE_CHECKING

import pytest

from tests.flows.process import ROOT, command, environment

if TYPE_CHECKING:
    from pathlib import Path

WITHIN = 20.0


@pytest.mark.skipif(sys.platform == "win32", reason="to terminate is to kill there")
@pytest.mark.parametrize(
    ("module", "arguments", "status"),
    [("server", [], 0), ("worker", [], 0), ("server", ["export", "a-file"], -signal.SIGTERM)],
)
def test_sigterm_during_the_imports(tmp_path: Path, module: str, arguments: list[str], status: int) -> None:
    settings = environment(data_dir=tmp_path, pythonprofileimporttime=1)
    words = [*command(module), *arguments]
    with Popen(words, cwd=ROOT, env=settings, stdout=PIPE, stderr=PIPE, text=True) as process:
        assert process.stderr is not None
        while not process.stderr.readline().endswith(" asyncio\n"):  # among the first of many
            assert process.poll() is None
        process.terminate()
        said = process.communicate(timeout=WITHIN)
    assert process.returncode == status, said
    assert not any("is ready" in words for words in said)
