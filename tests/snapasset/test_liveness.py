"""Lock files: who held one and died is known to be dead; nobody else is ever called so."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING

import pytest

from snapasset.database.liveness import LockFiles
from tests.contracts.record_backends import WAIT
from tests.snapasset.lock_holder import CHILD, living

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Generator
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="lock files tell nothing there")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "workers"


@pytest.fixture
def locks(folder: Path) -> LockFiles:
    """This process's, which looks at others."""
    return LockFiles(folder)


@pytest.fixture
def worker(folder: Path) -> Generator[subprocess.Popen[str]]:
    with living(folder, "w-1") as process:
        yield process


def test_a_living_process_is_not_dead_and_a_killed_one_is_at_once(
    locks: LockFiles, worker: subprocess.Popen[str]
) -> None:
    assert locks.dead(["w-1"]) == frozenset()
    worker.kill()
    worker.wait(WAIT)
    assert locks.dead(["w-1"]) == {"w-1"}
    assert locks.dead(["w-1"]) == {"w-1"}, "having looked must not change it"


def test_one_that_ended_without_a_word_is_dead_too(locks: LockFiles, worker: subprocess.Popen[str]) -> None:
    assert worker.stdin is not None
    worker.stdin.close()
    worker.wait(WAIT)
    assert locks.dead(["w-1", "w-2"]) == {"w-1"}


def test_a_stopped_one_is_alive(locks: LockFiles, worker: subprocess.Popen[str]) -> None:
    worker.send_signal(signal.SIGSTOP)  # it may be woken, and then it goes on
    assert locks.dead(["w-1"]) == frozenset()


def test_a_child_of_the_worker_does_not_keep_it_alive(locks: LockFiles, folder: Path) -> None:
    with living(folder, "w-1", CHILD) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.wait(WAIT)
        try:
            assert locks.dead(["w-1"]) == {"w-1"}
        finally:
            os.kill(child, signal.SIGKILL)


def test_ones_own_workers_are_alive(locks: LockFiles) -> None:
    locks.hold("mine")
    assert locks.dead(["mine"]) == frozenset()
    locks.hold("mine")
    locks.release("mine")


def test_another_lock_of_this_process_is_respected(locks: LockFiles, folder: Path) -> None:
    other = LockFiles(folder)
    other.hold("theirs")
    assert locks.dead(["theirs"]) == frozenset()
    other.release("theirs")


def test_one_that_left_in_an_orderly_way_leaves_nothing_and_is_not_called_dead(locks: LockFiles, folder: Path) -> None:
    locks.hold("mine")
    assert len(list(folder.iterdir())) == 1
    locks.release("mine")
    locks.release("mine")
    assert list(folder.iterdir()) == []
    assert locks.dead(["mine"]) == frozenset()


def test_a_missing_file_proves_nothing(locks: LockFiles) -> None:
    assert locks.dead(["never-heard-of"]) == frozenset()
    assert locks.dead([]) == frozenset()


def test_a_file_that_cannot_be_looked_at_proves_nothing(locks: LockFiles, folder: Path) -> None:
    (folder / "folder.lock").mkdir(parents=True)
    (folder / "loop.lock").symlink_to(folder / "loop.lock")
    assert locks.dead(["folder", "loop", "x" * 300]) == frozenset()


def test_left_overs_are_cleared_when_they_are_old_and_their_worker_dead(
    locks: LockFiles, folder: Path, worker: subprocess.Popen[str]
) -> None:
    for name in ("old", "fresh"):
        (folder / f"{name}.lock").touch()
    for name in ("old", "w-1"):
        os.utime(folder / f"{name}.lock", (0, 0))
    locks.hold("mine")
    assert sorted(path.stem for path in folder.iterdir()) == ["fresh", "mine", "w-1"]
    assert worker.poll() is None
    locks.release("mine")


def test_only_this_user_may_touch_it(locks: LockFiles, folder: Path) -> None:
    locks.hold("mine")
    assert (folder / "mine.lock").stat().st_mode & 0o777 == 0o600
    locks.release("mine")
