"""What only a folder of this host can show: what is on the disk, a disk that fails, a writer that is killed."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import signal
import stat
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import pytest

from snapasset.errors import FileMissing, InvalidInput, StorageFailed, StorageQuotaExceeded, StorageUnavailable
from snapasset.storage import Leftovers
from snapasset.storage.local import LEAST_ROOM, LocalStorage
from tests.contracts.conftest import wait_until
from tests.contracts.test_storage import BYTES, keys_of, put

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "files"


@pytest.fixture
async def storage(root: Path) -> AsyncIterator[LocalStorage]:
    opened = LocalStorage(root)
    yield opened
    await opened.close()


def names_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


class TestOnTheDisk:
    async def test_everything_is_for_this_user_only(self, storage: LocalStorage, root: Path) -> None:
        await put(storage, "a/b/c")
        for folder in (root, root / "a", root / "a/b"):
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert stat.S_IMODE((root / "a/b/c").stat().st_mode) == 0o600

    async def test_making_a_storage_touches_nothing(self, storage: LocalStorage, root: Path) -> None:
        assert await keys_of(storage) == []
        assert names_in(root.parent) == []

    async def test_a_put_leaves_the_file_and_nothing_else(self, storage: LocalStorage, root: Path) -> None:
        await put(storage, "a/b")
        await storage.check()
        assert names_in(root) == ["a", "a/b"]

    async def test_empty_folders_go_with_their_last_file(self, storage: LocalStorage, root: Path) -> None:
        await put(storage, "g/1/a", "g/1/b", "g/2/a")
        await storage.delete(["g/1/a"])
        assert names_in(root) == ["g", "g/1", "g/1/b", "g/2", "g/2/a"]
        await storage.delete(["g/1/b", "g/2/a"])
        assert names_in(root.parent) == ["files"]

    async def test_a_key_may_hold_letters_of_any_language(self, storage: LocalStorage) -> None:
        for key in ("ünïcode/日本.png", "~/é"):
            await put(storage, key, data=key.encode())
            assert await storage.get(key) == key.encode()
        assert await keys_of(storage) == ["ünïcode/日本.png", "~/é"][::-1]

    async def test_the_longest_name_fits(self, storage: LocalStorage) -> None:
        key = "ü" * 100
        await put(storage, key)
        assert await keys_of(storage) == [key]

    async def test_what_no_key_can_name_is_not_listed(self, storage: LocalStorage, root: Path) -> None:
        await put(storage, "a")
        (root / ".hidden").write_text("x")
        (root / "with:colon").write_text("x")
        os.mkfifo(root / "pipe")
        (root / "link").symlink_to(root / "a")
        (root / "folder").symlink_to("/")
        with contextlib.suppress(OSError):  # not every file system takes a name that is no text
            (root / os.fsdecode(b"\xff\xfe")).write_text("x")
        assert await keys_of(storage) == ["a"]


class TestSymlinks:
    @pytest.fixture
    async def trap(self, storage: LocalStorage, root: Path, tmp_path: Path) -> Path:
        """A folder outside, reached by symlinks from inside."""
        outside = tmp_path / "outside"
        outside.mkdir()
        (outside / "secret").write_text("secret")
        await put(storage, "real/a")
        (root / "folder").symlink_to(outside)
        (root / "real/file").symlink_to(outside / "secret")
        (root / "real/dangling").symlink_to(outside / "new")
        (root / "real/inside").symlink_to(root / "real/a")
        return outside

    @pytest.mark.parametrize(
        "key", ["folder", "folder/secret", "folder/new/x", "real/file", "real/dangling", "real/inside"]
    )
    async def test_none_is_followed(self, storage: LocalStorage, trap: Path, key: str) -> None:
        with pytest.raises(InvalidInput):
            await storage.put(key, b"x", "image/png")
        with pytest.raises(InvalidInput):
            await storage.get(key)
        with pytest.raises(InvalidInput):
            await storage.delete(["real/a", key])
        assert names_in(trap) == ["secret"]
        assert (trap / "secret").read_text() == "secret"
        assert await keys_of(storage) == ["real/a"]

    async def test_the_root_itself_may_be_one(self, tmp_path: Path) -> None:
        (tmp_path / "disk").mkdir()
        (tmp_path / "files").symlink_to(tmp_path / "disk")
        storage = LocalStorage(tmp_path / "files")
        await put(storage, "a/b")
        assert (tmp_path / "disk/a/b").read_bytes() == b"data"
        await storage.close()

    async def test_a_pipe_is_no_file_and_nobody_waits_for_it(self, storage: LocalStorage, root: Path) -> None:
        await storage.check()
        os.mkfifo(root / "pipe")
        with pytest.raises(FileMissing):
            await asyncio.wait_for(storage.get("pipe"), 5)
        assert await storage.delete(["pipe"]) == frozenset()


class FailingDisk(LocalStorage):
    """A disk that takes some bytes of each file and then fails."""

    def __init__(self, root: Path, number: int) -> None:
        super().__init__(root)
        self._number = number

    def _fill(self, file: BinaryIO, data: bytes) -> None:
        super()._fill(file, data[: len(data) // 2])
        raise OSError(self._number, os.strerror(self._number))


class SmallDisk(LocalStorage):
    """A disk with so much room left, in bytes."""

    def __init__(self, root: Path, room: int) -> None:
        super().__init__(root)
        self._left = room

    def _room(self) -> int:
        return self._left


class VanishingFolders(LocalStorage):
    """Folders that somebody else removes as empty, right after they were made, as long as that may happen."""

    def __init__(self, root: Path, times: int) -> None:
        super().__init__(root)
        self._left = times

    def _make_folders(self, folder: Path) -> None:
        super()._make_folders(folder)
        if self._left and folder != self._root:
            self._left -= 1
            folder.rmdir()


class TestFailures:
    async def test_a_folder_that_vanishes_before_its_first_file_is_made_again(self, root: Path) -> None:
        storage = VanishingFolders(root, 4)
        await put(storage, "a/b")
        assert await storage.get("a/b") == b"data"
        await storage.close()

    @pytest.mark.parametrize(
        ("number", "expected"),
        [
            (errno.ENOSPC, StorageQuotaExceeded),
            (errno.EDQUOT, StorageQuotaExceeded),
            (errno.EFBIG, StorageQuotaExceeded),
            (errno.EACCES, StorageFailed),
            (errno.EROFS, StorageFailed),
            (errno.EIO, StorageFailed),
        ],
    )
    async def test_a_failing_disk_is_named_and_leaves_the_old_file(
        self, root: Path, storage: LocalStorage, number: int, expected: type[StorageFailed]
    ) -> None:
        await put(storage, "a/old", data=b"old")
        failing = FailingDisk(root, number)
        for key in ("a/old", "a/new"):
            with pytest.raises(StorageFailed) as caught:
                await failing.put(key, BYTES, "image/png")
            assert type(caught.value) is expected
            assert str(root) not in caught.value.detail
        with pytest.raises(StorageFailed):
            await failing.put("generations/1/new", BYTES, "image/png")
        await failing.close()
        assert names_in(root) == ["a", "a/old"]
        assert await storage.get("a/old") == b"old"

    async def test_a_full_disk_leaves_no_half_file(self, root: Path) -> None:
        """The kernel itself refuses in mid-write: no file of this process may grow beyond 64 KiB."""
        outcome = _in_a_process(
            """
            resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))
            try:
                await storage.put("big", b"x" * 1_000_000, "image/png")
            except StorageQuotaExceeded as error:
                print(error.code)
            await storage.put("small", b"x" * 1000, "image/png")
            """,
            root,
        )
        assert outcome.communicate(timeout=20)[0].split() == [b"storage_quota_exceeded"]
        assert names_in(root) == ["small"]

    async def test_empty_folders_are_left_overs_but_for_those_in_the_root(
        self, root: Path, storage: LocalStorage
    ) -> None:
        await put(storage, "g/1/a")
        for name in ("g/2/empty", "g/3", "lost+found", "g/young"):
            (root / name).mkdir(parents=True)
            if name != "g/young":
                os.utime(root / name, (1, 1))
        (root / "g/4").mkdir()
        (root / "g/4/.a.png.0011aabb.part").write_bytes(b"half")
        os.utime(root / "g/4/.a.png.0011aabb.part", (1, 1))
        assert await storage.count_leftovers() == 3
        assert await storage.remove_leftovers() == 3
        assert names_in(root) == ["g", "g/1", "g/1/a", "g/young", "lost+found"]
        assert await storage.count_leftovers() == 0

    async def test_left_overs_are_found_under_a_relative_root(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        storage = LocalStorage(Path("files"))
        await put(storage, "g/a")
        _in_the_way(Path("files/g/.a.png.0011aabb.part"))
        assert await storage.remove_leftovers(older_than=-60) == 1
        assert names_in(Path("files")) == ["g", "g/a"]
        await storage.close()

    async def test_a_list_does_not_look_at_what_comes_before(self, root: Path, storage: LocalStorage) -> None:
        await put(storage, "a/1", "b/1", "b/2", "c/1")
        outcome = _in_a_process(
            """
            import sys
            looked_into = []
            sys.addaudithook(lambda name, args: name == "os.scandir" and looked_into.append(Path(args[0]).name))
            listed = [file.key async for file in storage.list(after="b/1")]
            print(*listed, *looked_into)
            """,
            root,
        )
        assert outcome.communicate(timeout=20)[0].split() == [b"b/2", b"c/1", b"files", b"b", b"c"]

    @pytest.mark.parametrize(("room", "full"), [(LEAST_ROOM, False), (LEAST_ROOM - 1, True), (0, True)])
    async def test_a_disk_with_hardly_any_room_is_full(self, root: Path, room: int, full: bool) -> None:
        storage = SmallDisk(root, room)
        with pytest.raises(StorageQuotaExceeded, match=f"{room} bytes") if full else contextlib.nullcontext():
            await storage.check()
        await storage.close()
        assert names_in(root) == []

    async def test_a_limit_of_this_user_makes_it_full_as_well(self, root: Path) -> None:
        outcome = _in_a_process(
            """
            resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))
            try:
                await storage.check()
            except StorageQuotaExceeded as error:
                print(error.code)
            """,
            root,
        )
        assert outcome.communicate(timeout=20)[0].split() == [b"storage_quota_exceeded"]
        assert names_in(root) == []

    async def test_what_cannot_be_removed_is_unavailable(self, root: Path, storage: LocalStorage) -> None:
        """A folder that this user may not write to, as on a disk that was mounted to be read only."""
        await put(storage, "g/a")
        for folder in (root, root / "g"):
            folder.chmod(0o555)
        outcome = _in_a_process(
            f"""
            os.chdir({str(root)!r})  # the folders above are for their owner only
            if os.geteuid() == 0:
                os.setuid(65534)
            from snapasset.errors import StorageUnavailable
            for done in (lambda: LocalStorage(Path(".")).delete(["g/a"]), LocalStorage(Path(".")).check):
                try:
                    await done()
                except StorageUnavailable as error:
                    print(error.code)
            """,
            root,
        )
        assert outcome.communicate(timeout=20)[0].split() == [b"storage_unavailable"] * 2
        for folder in (root, root / "g"):
            folder.chmod(0o755)
        assert await keys_of(storage) == ["g/a"]

    async def test_a_folder_that_is_no_folder_is_unavailable(self, root: Path, storage: LocalStorage) -> None:
        _in_the_way(root)
        with pytest.raises(StorageUnavailable):
            await storage.check()
        with pytest.raises(StorageFailed):
            await put(storage, "a")
        with pytest.raises(StorageUnavailable):
            await keys_of(storage)

    async def test_a_key_below_a_file_cannot_be_stored(self, storage: LocalStorage) -> None:
        await put(storage, "a")
        with pytest.raises(StorageFailed):
            await put(storage, "a/b")
        with pytest.raises(FileMissing):
            await storage.get("a/b")

    async def test_a_writer_killed_at_any_moment_leaves_whole_files_and_what_can_be_removed(
        self, root: Path, storage: LocalStorage
    ) -> None:
        for _ in range(3):
            writer = _in_a_process(
                """
                for n in range(10_000):
                    await storage.put(f"{os.getpid()}/{n}", bytes([n % 256]) * 2_000_000, "image/png")
                """,
                root,
            )

            async def has_written(pid: int = writer.pid) -> bool:
                return len(await keys_of(storage, f"{pid}/")) >= 3

            await wait_until(has_written, 15)
            writer.send_signal(signal.SIGKILL)
            writer.communicate()
        files = [file async for file in storage.list()]
        assert {file.size for file in files} == {2_000_000}
        for file in files[-3:]:
            assert len(set(await storage.get(file.key))) == 1
        (root / ".a.png.0011aabb.part").write_bytes(b"half")
        assert isinstance(storage, Leftovers)
        assert await storage.count_leftovers(older_than=3600) == 0
        assert await storage.remove_leftovers(older_than=3600) == 0
        half = await storage.count_leftovers(older_than=-60)
        assert half >= 1
        assert await storage.remove_leftovers(older_than=-60) == half
        assert await storage.count_leftovers(older_than=-60) == 0
        assert not [name for name in names_in(root) if name.endswith(".part")]
        assert [file.key async for file in storage.list()] == [file.key for file in files]


class WatchedDisk(LocalStorage):
    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.threads: set[str] = set()
        self.most = 0
        self._now = 0
        self._lock = threading.Lock()

    def _fill(self, file: BinaryIO, data: bytes) -> None:
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
            self.threads.add(threading.current_thread().name.rsplit("_")[0])
        super()._fill(file, data)
        with self._lock:
            self._now -= 1


class TestThreads:
    async def test_a_few_threads_of_its_own_do_all_the_work(self, root: Path) -> None:
        loops_own = ThreadPoolExecutor(1)
        loops_own.shutdown()
        asyncio.get_running_loop().set_default_executor(loops_own)
        with pytest.raises(RuntimeError):
            await asyncio.to_thread(names_in, root)
        storage = WatchedDisk(root)
        await asyncio.gather(*(put(storage, f"a/{n}", data=BYTES) for n in range(40)))
        await storage.get("a/1")
        assert len([piece async for piece in storage.stream("a/1")]) == 4
        assert len(await keys_of(storage)) == 40
        await storage.delete(["a/1"])
        await storage.check()
        await storage.find("a/1")
        await storage.count_leftovers()
        await storage.remove_leftovers()
        await storage.close()
        assert storage.threads == {"storage"}
        assert 1 <= storage.most <= 4

    async def test_a_reader_that_goes_away_leaves_no_open_file(self, storage: LocalStorage) -> None:
        await put(storage, "a", data=BYTES)

        async def read() -> None:
            async for _ in storage.stream("a", chunk_size=1000):
                await asyncio.sleep(0)

        for pause in range(12):
            reading = asyncio.create_task(read())
            for _ in range(pause):
                await asyncio.sleep(0)
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

        async def closed() -> bool:
            return not [link for link in _open_files() if link.endswith("/files/a")]

        await wait_until(closed)

    async def test_closing_lets_what_runs_end(self, root: Path) -> None:
        storage = LocalStorage(root)
        writing = [asyncio.create_task(put(storage, f"a/{n}", data=BYTES)) for n in range(10)]
        await asyncio.sleep(0)
        await storage.close()
        await asyncio.gather(*writing)
        assert len(names_in(root)) == 11


def _in_the_way(path: Path) -> None:
    path.write_text("in the way")


def _open_files() -> list[str]:
    descriptors = Path("/proc/self/fd")
    if not descriptors.is_dir():
        return []
    return [str(link.readlink()) for link in descriptors.iterdir() if link.is_symlink()]


def _in_a_process(body: str, root: Path) -> subprocess.Popen[bytes]:
    """Run the lines of a coroutine, with `storage` at `root`, in a process of their own."""
    lines = textwrap.indent(textwrap.dedent(body), "    ")
    program = (
        "import asyncio, os, resource\nfrom pathlib import Path\n"
        "from snapasset.errors import StorageQuotaExceeded\nfrom snapasset.storage.local import LocalStorage\n"
        f"async def main():\n    storage = LocalStorage(Path({str(root)!r}))\n{lines}\nasyncio.run(main())\n"
    )
    return subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE)
