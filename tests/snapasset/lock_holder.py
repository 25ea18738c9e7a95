"""A process of the tests: it is alive under a worker's name until its standard input ends."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator

ROOT = Path(__file__).resolve().parents[2]

CHILD = "child"
"""Given as a last word, the process leaves a child behind, says its id and ends."""


@contextmanager
def living(folder: Path, worker_id: str, *more: str) -> Generator[subprocess.Popen[str]]:
    """A process that has just locked `worker_id` in `folder`; killed in the end, if it still lives."""
    command = [sys.executable, "-m", "tests.snapasset.lock_holder", str(folder), worker_id, *more]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


def main(folder: str, worker_id: str, *more: str) -> None:
    from snapasset.database.liveness import LockFiles

    LockFiles(Path(folder)).hold(worker_id)
    print("held", flush=True)
    if more == (CHILD,):
        print(subprocess.Popen(["sleep", "60"], stdout=subprocess.DEVNULL).pid, flush=True)
    else:
        sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
