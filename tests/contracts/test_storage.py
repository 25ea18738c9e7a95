"""What every storage keeps: whole files under safe keys, wherever the bytes lie."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from snapasset.errors import FileMissing, InvalidInput

if TYPE_CHECKING:
    from snapasset.storage import Storage

BYTES = bytes(range(256)) * 1000

BAD_KEYS = [
    "",
    "/",
    "/etc/passwd",
    "..",
    "a/../../b",
    "a//b",
    "a/",
    "./a",
    "a\x00b",
    "a\nb",
    "a\\b",
    ".hidden/a",
    "x" * 600,
]


async def put(storage: Storage, *keys: str, data: bytes = b"data") -> None:
    for key in keys:
        await storage.put(key, data, "image/png")


async def keys_of(storage: Storage, prefix: str = "") -> list[str]:
    return [file.key async for file in storage.list(prefix)]


class TestPutAndGet:
    @pytest.mark.parametrize("data", [b"", b"x", BYTES])
    async def test_what_was_put_comes_back(self, storage: Storage, data: bytes) -> None:
        await storage.put("generations/1/master.png", data, "image/png")
        assert await storage.get("generations/1/master.png") == data
        assert b"".join([piece async for piece in storage.stream("generations/1/master.png")]) == data

    async def test_a_key_may_hold_any_plain_letters(self, storage: Storage) -> None:
        for key in ("plain", "with space/a-b_c(1)+.jpeg", "a/b/c/d/e/f/g", "it's $5;a=b@c&d,e!f/G.H_I"):
            await put(storage, key, data=key.encode())
            assert await storage.get(key) == key.encode()

    async def test_putting_again_replaces_the_whole_file(self, storage: Storage) -> None:
        await put(storage, "a", data=BYTES)
        await put(storage, "a", data=b"short")
        assert await storage.get("a") == b"short"

    async def test_a_missing_file_is_named_so(self, storage: Storage) -> None:
        await put(storage, "folder/a")
        for key in ("b", "folder", "folder/b", "folder/a/b", "other/a"):
            with pytest.raises(FileMissing):
                await storage.get(key)
            with pytest.raises(FileMissing):
                await anext(aiter(storage.stream(key)))

    async def test_readers_see_one_whole_version_while_it_is_replaced(self, storage: Storage) -> None:
        versions = [bytes([n]) * 200_000 for n in range(8)]
        await put(storage, "a", data=versions[0])
        reading = [storage.get("a") for _ in range(20)]
        writing = [put(storage, "a", data=version) for version in versions]
        seen = (await asyncio.gather(*writing, *reading))[len(writing) :]
        assert set(seen) <= set(versions)

    async def test_many_files_at_once(self, storage: Storage) -> None:
        await asyncio.gather(*(put(storage, f"g/{n}/file", data=str(n).encode()) for n in range(100)))
        found = await asyncio.gather(*(storage.get(f"g/{n}/file") for n in range(100)))
        assert found == [str(n).encode() for n in range(100)]


class TestStream:
    async def test_pieces_have_the_size_asked_for(self, storage: Storage) -> None:
        await put(storage, "a", data=BYTES)
        pieces = [piece async for piece in storage.stream("a", chunk_size=100_000)]
        assert [len(piece) for piece in pieces] == [100_000, 100_000, 56_000]
        assert b"".join(pieces) == BYTES

    async def test_a_reader_may_stop_in_the_middle(self, storage: Storage) -> None:
        await put(storage, "a", data=BYTES)
        async for piece in storage.stream("a", chunk_size=10):
            assert piece == BYTES[:10]
            break
        assert await storage.get("a") == BYTES


class TestDelete:
    async def test_it_says_what_is_really_gone(self, storage: Storage) -> None:
        await put(storage, "a", "b/c", "b/d")
        assert await storage.delete(["a", "b/c", "missing", "b/missing", "b"]) == {"a", "b/c"}
        assert await keys_of(storage) == ["b/d"]
        assert await storage.delete(["a", "b/c"]) == frozenset()
        assert await storage.delete([]) == frozenset()
        with pytest.raises(FileMissing):
            await storage.get("a")

    async def test_a_key_is_never_a_prefix(self, storage: Storage) -> None:
        await put(storage, "a/1", "a/2", "ab")
        assert await storage.delete({"a"}) == frozenset()
        assert await keys_of(storage) == ["a/1", "a/2", "ab"]

    async def test_a_deleted_key_can_be_put_again(self, storage: Storage) -> None:
        await put(storage, "a/b/c", data=b"old")
        await storage.delete(["a/b/c"])
        await put(storage, "a/b/c", data=b"new")
        assert await storage.get("a/b/c") == b"new"

    async def test_deleting_beside_writers_loses_no_file(self, storage: Storage) -> None:
        for round_ in range(10):
            await put(storage, "shared/old")
            await asyncio.gather(
                storage.delete(["shared/old"]), *(put(storage, f"shared/{round_}/{n}") for n in range(5))
            )
            fresh = [f"shared/{round_}/{n}" for n in range(5)]
            assert await keys_of(storage) == fresh
            assert await storage.delete(fresh) == frozenset(fresh)


class TestList:
    async def test_it_goes_in_the_order_of_keys(self, storage: Storage) -> None:
        keys = ["a", "a-b", "a.b", "a0", "ab-d", "ab/c", "b/a", "b/b/a", "b/b0", "c"]
        await put(storage, *reversed(keys), "a!/x")
        assert await keys_of(storage) == sorted([*keys, "a!/x"])

    async def test_a_prefix_need_not_end_at_a_folder(self, storage: Storage) -> None:
        await put(storage, "gen/1/a", "gen/1/b", "gen/12/a", "gen/2/a", "general")
        assert await keys_of(storage, "gen/1/") == ["gen/1/a", "gen/1/b"]
        assert await keys_of(storage, "gen/1") == ["gen/1/a", "gen/1/b", "gen/12/a"]
        assert await keys_of(storage, "gen") == ["gen/1/a", "gen/1/b", "gen/12/a", "gen/2/a", "general"]
        assert await keys_of(storage, "nothing/") == []
        assert await keys_of(storage, "../") == []

    async def test_it_tells_size_and_time(self, storage: Storage) -> None:
        before = time.time() * 1000
        await put(storage, "a", data=BYTES)
        (file,) = [file async for file in storage.list()]
        assert (file.key, file.size) == ("a", len(BYTES))
        assert before - 5000 <= file.modified_at <= time.time() * 1000 + 5000

    async def test_an_empty_storage_has_no_files(self, storage: Storage) -> None:
        assert await keys_of(storage) == []

    async def test_a_long_list_is_whole(self, storage: Storage) -> None:
        keys = [f"many/{n // 50}/{n:04}" for n in range(560)]
        await asyncio.gather(*(put(storage, key, data=b"") for key in keys))
        assert await keys_of(storage) == sorted(keys)

    async def test_it_can_be_read_on_from_any_key(self, storage: Storage) -> None:
        keys = sorted(["a!/x", "a-b", "a/b", "a/c/d", "a/c/e", "a/d", "a0", "ab/c", "b", "z/x"])
        await put(storage, *keys)
        for after in ("", *keys, "a", "a/", "a/c/", "a/c/d/", "a/c0", "a~", "A", "ÿ", "zz"):
            assert [file.key async for file in storage.list(after=after)] == [key for key in keys if key > after], after
            beyond = [key for key in keys if key > after and key.startswith("a/c")]
            assert [file.key async for file in storage.list("a/c", after=after)] == beyond, after


class TestBelonging:
    async def test_a_new_storage_is_nobodys(self, storage: Storage) -> None:
        await put(storage, "a")
        assert await storage.owner() is None

    async def test_it_bears_the_name_of_its_record_and_no_list_shows_it(self, storage: Storage) -> None:
        for name in ("one", "one", "another"):
            await storage.belong_to(name)
            assert await storage.owner() == name
        await put(storage, "a")
        await storage.check()
        assert await keys_of(storage) == ["a"]
        assert await storage.delete(["a"]) == {"a"}
        assert storage.mark


class TestFind:
    async def test_it_tells_what_the_list_tells(self, storage: Storage) -> None:
        await put(storage, "a/b", "a/c", data=BYTES)
        assert [await storage.find("a/b"), await storage.find("a/c")] == [file async for file in storage.list()]

    async def test_there_is_none_where_no_file_is(self, storage: Storage) -> None:
        await put(storage, "a/b")
        assert [await storage.find(key) for key in ("a", "b", "a/b/c", "a/c")] == [None] * 4
        await storage.delete(["a/b"])
        assert await storage.find("a/b") is None


class TestKeys:
    @pytest.mark.parametrize("key", BAD_KEYS)
    async def test_an_unsafe_key_is_refused_before_anything_is_touched(self, storage: Storage, key: str) -> None:
        await put(storage, "a")
        with pytest.raises(InvalidInput):
            await storage.put(key, b"x", "image/png")
        with pytest.raises(InvalidInput):
            await storage.get(key)
        with pytest.raises(InvalidInput):
            await anext(aiter(storage.stream(key)))
        with pytest.raises(InvalidInput):
            await storage.find(key)
        with pytest.raises(InvalidInput):
            await storage.delete(["a", key])
        assert await keys_of(storage) == ["a"]


async def test_a_working_storage_passes_its_check_and_keeps_nothing_of_it(storage: Storage) -> None:
    await asyncio.gather(*(storage.check() for _ in range(5)))
    assert await keys_of(storage) == []
    assert storage.name
