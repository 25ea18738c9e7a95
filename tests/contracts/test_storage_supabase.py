"""A bucket of Supabase when things go wrong: what is said is true, and what was promised is kept."""

from __future__ import annotations

import asyncio
import logging
import math
import socket
import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from snapasset.errors import (
    BadConfiguration,
    FileMissing,
    InvalidInput,
    SnapAssetError,
    StorageFailed,
    StorageQuotaExceeded,
    StorageUnavailable,
    StorageUnusable,
)
from snapasset.storage.supabase.opening import Patience
from tests.contracts.test_storage import keys_of, put
from tests.fakes.supabase import ANON, KEY, Fault, StoredObject, running_supabase
from tests.fakes.supabase_bucket import opened_bucket
from tests.servers.free_port import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from snapasset.storage.supabase import SupabaseStorage
    from tests.fakes.supabase import FakeSupabase

ALWAYS = math.inf
BYTES = bytes(range(256)) * 1000
SHORT = Patience(silence=0.5, pauses=(0.01, 0.01), sure=0)
UPLOAD = r"POST /object/pictures/a"


@pytest.fixture(scope="module")
def server() -> Iterator[FakeSupabase]:
    with running_supabase() as fake:
        yield fake


@pytest.fixture
def fake(server: FakeSupabase) -> Iterator[FakeSupabase]:
    server.buckets.clear()
    server.requests.clear()
    yield server
    server.heal()
    server.gateway, server.old, server.largest = True, False, 50_000_000


@pytest.fixture
async def storage(fake: FakeSupabase) -> AsyncIterator[SupabaseStorage]:
    opened = await opened_bucket(fake.url, KEY, "pictures", SHORT)
    yield opened
    await opened.close()


def plant(fake: FakeSupabase, *keys: str) -> None:
    """Files that somebody has put there before."""
    now = time.time()
    made = {key: StoredObject(key, b"data", "image/png", "max-age=0", now, now) for key in keys}
    fake.buckets["pictures"].objects.update(made)


async def _read(storage: SupabaseStorage, key: str) -> bytes:
    return b"".join([piece async for piece in storage.stream(key)])


USES: dict[str, Callable[[SupabaseStorage], Awaitable[object]]] = {
    "put": lambda storage: put(storage, "a/new"),
    "get": lambda storage: storage.get("a/b"),
    "stream": lambda storage: _read(storage, "a/b"),
    "delete": lambda storage: storage.delete(["a/b"]),
    "list": keys_of,
    "find": lambda storage: storage.find("a/b"),
    "owner": lambda storage: storage.owner(),
    "check": lambda storage: storage.check(),
}
PASSING: dict[str, Fault] = {
    "500": Fault("refused", status=500),
    "503": Fault("refused", status=503, message="Service Unavailable"),
    "a page of 502": Fault("page", status=502),
    "429": Fault("refused", status=429, message="Too many connections issued to the database"),
    "544": Fault("refused", status=544, error="DatabaseTimeout"),
    "silence": Fault("hang"),
    "cut": Fault("cut"),
}


def again(fault: Fault, times: float = 1) -> Fault:
    """The same to so many requests more."""
    return replace(fault, times=times)


class TestOpening:
    async def test_its_bucket_is_made_and_private(self, fake: FakeSupabase) -> None:
        opened = await asyncio.gather(*(opened_bucket(fake.url, KEY, "pictures") for _ in range(4)))
        assert [bucket.public for bucket in fake.buckets.values()] == [False]
        for storage in opened:
            assert storage.name == "Supabase bucket pictures"
            await storage.close()

    async def test_one_that_is_there_is_used(self, fake: FakeSupabase, storage: SupabaseStorage) -> None:
        await put(storage, "a")
        again = await opened_bucket(f"{fake.url}/", KEY, "pictures")
        assert await keys_of(again) == ["a"]
        await again.close()

    async def test_a_bucket_that_anybody_may_read_is_refused(
        self, fake: FakeSupabase, storage: SupabaseStorage
    ) -> None:
        fake.buckets["pictures"].public = True
        with pytest.raises(BadConfiguration, match="SUPABASE_BUCKET is public"):
            await opened_bucket(fake.url, KEY, "pictures")
        assert storage.remote

    @pytest.mark.parametrize("gateway", [True, False])
    @pytest.mark.parametrize("there", [True, False])
    @pytest.mark.parametrize(
        "key", [ANON, "sb_secret_hunter2-of-another-project", "sb_publishable_hunter2-hunter2", "hunter2", f"{KEY}\n"]
    )
    async def test_a_wrong_key_is_named_and_not_shown(
        self, fake: FakeSupabase, key: str, *, there: bool, gateway: bool
    ) -> None:
        fake.gateway = gateway
        if there:
            await (await opened_bucket(fake.url, KEY, "pictures")).close()
        malformed = not key.startswith("sb_") or key.startswith("sb_publishable") or "\n" in key
        error = BadConfiguration if malformed else StorageUnusable
        with pytest.raises(error, match="SUPABASE_SERVICE_KEY") as caught:
            await opened_bucket(fake.url, key, "pictures")
        assert key.strip() not in caught.value.detail
        assert "hunter2" not in caught.value.detail

    @pytest.mark.parametrize("status", [200, 301, 404, 405])
    async def test_an_address_where_something_else_answers_is_named(self, fake: FakeSupabase, status: int) -> None:
        fake.break_down(Fault("page", times=ALWAYS, status=status))
        with pytest.raises(StorageUnusable, match="SUPABASE_URL") as caught:
            await opened_bucket(fake.url, KEY, "pictures")
        assert str(fake.port) not in caught.value.detail

    @pytest.mark.parametrize(
        "url", ["http://127.0.0.1:port", "http://[", "http://a b", "https://", "https://hunter2.invalid"]
    )
    async def test_an_address_that_is_none_is_named(self, url: str) -> None:
        error = (
            StorageUnavailable if "hunter2" in url else BadConfiguration
        )  # nobody was asked about what is no address
        with pytest.raises(error, match="SUPABASE_URL") as caught:
            await opened_bucket(url, KEY, "pictures", SHORT)
        assert "hunter2" not in caught.value.detail

    async def test_nobody_there_is_no_wrong_configuration(self, fake: FakeSupabase) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
        with pytest.raises(StorageUnavailable, match="SUPABASE_URL"):
            await opened_bucket(f"http://127.0.0.1:{port}", KEY, "pictures", SHORT)
        for fault in (Fault("hang", times=ALWAYS), Fault("refused", times=ALWAYS, status=503)):
            fake.break_down(fault)
            with pytest.raises(StorageUnavailable) as caught:
                await opened_bucket(fake.url, KEY, "pictures", SHORT)
            assert not isinstance(caught.value, StorageUnusable)
            fake.heal()

    async def test_a_bucket_that_cannot_be_made_is_named(self, fake: FakeSupabase) -> None:
        fake.break_down(Fault("refused", "POST /bucket", times=ALWAYS, status=409, error="Duplicate"))
        with pytest.raises(StorageUnusable, match="SUPABASE_BUCKET"):
            await opened_bucket(fake.url, KEY, "pictures")
        assert fake.buckets == {}

    @pytest.mark.parametrize(("spared", "asked"), [("", True), ("127.0.0.1", False)])
    async def test_a_proxy_of_the_environment_is_not_used_in_silence(
        self,
        fake: FakeSupabase,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
        spared: str,
        *,
        asked: bool,
    ) -> None:
        caplog.set_level(logging.INFO)
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.setenv(name, spared)
        for name in ("HTTP_PROXY", "http_proxy"):
            monkeypatch.setenv(name, fake.url.replace("//", "//somebody:canary@"))
        address = f"http://127.0.0.1:{free_port()}"  # where nobody is: whoever answers is the proxy
        with suppress(StorageUnavailable):
            await (await opened_bucket(address, KEY, "pictures", SHORT)).close()
        assert bool(fake.requests) == asked
        assert ("through the proxy" in caplog.text) == asked
        assert "canary" not in caplog.text

    async def test_a_project_over_its_quota_says_so(self, fake: FakeSupabase) -> None:
        fake.break_down(Fault("refused", status=402, message="exceed_storage_size_quota"))
        with pytest.raises(StorageQuotaExceeded, match="quota"):
            await opened_bucket(fake.url, KEY, "pictures")


class TestTrouble:
    @pytest.mark.parametrize("fault", PASSING)
    @pytest.mark.parametrize("use", [use for use in USES if use != "check"])
    async def test_what_is_over_in_a_moment_nobody_hears_of(
        self, fake: FakeSupabase, storage: SupabaseStorage, use: str, fault: str
    ) -> None:
        await storage.belong_to("a-record")
        await put(storage, "a/b", data=BYTES)
        if (use, fault) == ("stream", "cut"):
            return  # see below: what was handed on cannot be taken back
        fake.break_down(again(PASSING[fault]))
        await USES[use](storage)

    @pytest.mark.parametrize("fault", ["503", "cut"])
    @pytest.mark.parametrize("use", USES)
    async def test_an_outage_is_one_and_ends_by_itself(
        self, fake: FakeSupabase, storage: SupabaseStorage, use: str, fault: str
    ) -> None:
        await storage.belong_to("a-record")
        await put(storage, "a/b", data=BYTES)
        before = len(fake.requests)
        fake.break_down(again(PASSING[fault], ALWAYS))
        with pytest.raises(StorageUnavailable) as caught:
            await USES[use](storage)
        assert KEY not in str(caught.value)
        assert len(fake.requests) - before <= 3, "it is asked three times at most"
        fake.heal()
        if fault == "cut" and use == "delete":
            return  # it was done
        await USES[use](storage)

    async def test_stored_and_answered_with_an_error_is_stored_once(
        self, fake: FakeSupabase, storage: SupabaseStorage
    ) -> None:
        fake.break_down(Fault("lost", UPLOAD), Fault("cut", UPLOAD))
        await put(storage, "a", data=BYTES)
        assert (fake.sent(UPLOAD), await keys_of(storage), await storage.get("a")) == (3, ["a"], BYTES)

    @pytest.mark.parametrize("use", ["put", "find", "list", "delete"])
    async def test_a_page_of_somebody_else_is_no_answer(
        self, fake: FakeSupabase, storage: SupabaseStorage, use: str
    ) -> None:
        await put(storage, "a/b")
        fake.break_down(Fault("page", times=3, status=200))
        with pytest.raises(StorageUnavailable, match="no answer of Supabase"):
            await USES[use](storage)
        assert await storage.get("a/b") == b"data"
        fake.break_down(Fault("page", status=200))
        await USES[use](storage)

    async def test_the_same_bytes_can_be_put_again_after_an_outage(
        self, fake: FakeSupabase, storage: SupabaseStorage
    ) -> None:
        fake.break_down(Fault("lost", UPLOAD, times=3))
        with pytest.raises(StorageUnavailable):
            await put(storage, "a", data=BYTES)
        await put(storage, "a", data=BYTES)
        assert await storage.get("a") == BYTES

    @pytest.mark.parametrize(
        ("fault", "error", "says"),
        [
            (Fault("refused", UPLOAD, status=413, error="Payload too large"), StorageQuotaExceeded, "larger than"),
            (Fault("refused", UPLOAD, status=402, message="exceed_storage_size_quota"), StorageQuotaExceeded, "quota"),
            (Fault("refused", UPLOAD, message="ENOSPC: no space left on device"), StorageQuotaExceeded, "quota"),
            (Fault("refused", UPLOAD, status=403, error="Unauthorized"), StorageUnavailable, "SUPABASE_SERVICE_KEY"),
            (Fault("refused", UPLOAD, status=401), StorageUnavailable, "SUPABASE_SERVICE_KEY"),
            (Fault("refused", UPLOAD, status=404, error="Bucket not found"), StorageUnavailable, "SUPABASE_BUCKET"),
            (Fault("refused", UPLOAD, status=415, error="invalid_mime_type"), StorageFailed, "invalid_mime_type"),
            (Fault("refused", UPLOAD, status=400, error="InvalidKey"), StorageFailed, "InvalidKey"),
        ],
    )
    async def test_a_refusal_has_its_name_and_is_not_asked_for_again(
        self, fake: FakeSupabase, storage: SupabaseStorage, fault: Fault, error: type[SnapAssetError], says: str
    ) -> None:
        fake.break_down(again(fault))
        with pytest.raises(error, match=says) as caught:
            await put(storage, "a", data=BYTES)
        assert type(caught.value) is not StorageFailed or error is StorageFailed
        assert fake.sent(UPLOAD) == 1
        assert await keys_of(storage) == []

    async def test_a_file_above_the_limit_is_told_from_a_full_project(
        self, fake: FakeSupabase, storage: SupabaseStorage
    ) -> None:
        fake.largest = 1_000
        with pytest.raises(StorageQuotaExceeded, match="larger than"):
            await put(storage, "a", data=BYTES)
        await put(storage, "b", data=BYTES[:1_000])

    @pytest.mark.parametrize("use", USES)
    @pytest.mark.parametrize(
        "fault",
        [
            Fault("refused", status=401),
            Fault("refused", status=403, error="Unauthorized"),
            Fault("refused", status=404, error="Bucket not found"),
            Fault("page", status=404),
        ],
    )
    async def test_who_is_not_let_in_has_not_lost_his_files(
        self, fake: FakeSupabase, storage: SupabaseStorage, use: str, fault: Fault
    ) -> None:
        await put(storage, "a/b")
        fake.break_down(again(fault, ALWAYS))
        with pytest.raises(StorageUnavailable if use != "put" else (StorageUnavailable, StorageFailed)):
            await USES[use](storage)

    async def test_a_stream_that_is_cut_ends_in_an_error(self, fake: FakeSupabase, storage: SupabaseStorage) -> None:
        await put(storage, "a", data=BYTES)
        fake.break_down(Fault("cut", "GET /object/pictures/a"))
        stream = aiter(storage.stream("a", chunk_size=1000))
        assert b"".join([await anext(stream) for _ in range(128)]) == BYTES[:128_000]
        with pytest.raises(StorageUnavailable):
            await anext(stream)

    async def test_slow_readers_keep_nothing_from_being_stored(self, storage: SupabaseStorage) -> None:
        await put(storage, "a", data=BYTES * 4)
        streams = [
            aiter(storage.stream("a", chunk_size=4096)) for _ in range(40)
        ]  # more than there are connections to write
        for stream in streams:
            await anext(stream)
        await put(storage, "b")
        await storage.check()
        for stream in streams:
            assert sum([len(piece) async for piece in stream]) == len(BYTES) * 4 - 4096

    async def test_whoever_stops_reading_leaves_no_connection_taken(
        self, fake: FakeSupabase, storage: SupabaseStorage
    ) -> None:
        await put(storage, "a", data=BYTES)
        for _ in range(40):
            stream: Any = storage.stream("a", chunk_size=10)
            await anext(stream)
            await stream.aclose()
        assert await storage.get("a") == BYTES
        assert fake.sent("GET /object/pictures/a") == 41


class TestRemoval:
    async def test_many_files_go_a_thousand_at_a_time(self, fake: FakeSupabase, storage: SupabaseStorage) -> None:
        keys = [f"g/{number:04}" for number in range(2300)]
        plant(fake, *keys, "g/kept")
        assert await storage.delete(keys) == frozenset(keys)
        assert fake.sent("DELETE /object/pictures") == 3
        assert await keys_of(storage) == ["g/kept"]

    async def test_what_is_still_there_was_not_removed_whatever_was_said(
        self, fake: FakeSupabase, storage: SupabaseStorage
    ) -> None:
        plant(fake, "a", "b")
        fake.break_down(Fault("nothing", "DELETE"))
        with pytest.raises(StorageUnavailable, match="2 of 3 files could not be removed"):
            await storage.delete(["a", "b", "missing"])
        assert await storage.delete(["a", "b", "missing"]) == {"a", "b"}

    async def test_removed_and_answered_with_an_error_counts_as_removed(
        self, fake: FakeSupabase, storage: SupabaseStorage
    ) -> None:
        plant(fake, "a", "b")
        fake.break_down(Fault("lost", "DELETE"))
        assert await storage.delete(["a", "b"]) == {"a", "b"}
        assert await keys_of(storage) == []


class TestListing:
    async def test_it_reads_as_many_pages_as_there_are(self, fake: FakeSupabase, storage: SupabaseStorage) -> None:
        keys = [f"many/{number // 50}/{number:04}" for number in range(2300)]
        plant(fake, *keys)
        assert await keys_of(storage) == sorted(keys)
        assert fake.sent("list-v2") == 3

    async def test_what_comes_before_costs_nothing(self, fake: FakeSupabase, storage: SupabaseStorage) -> None:
        plant(fake, *(f"g/{number:04}" for number in range(2300)))
        assert [file.key async for file in storage.list(after="g/2297")] == ["g/2298", "g/2299"]
        assert fake.sent("list-v2") == 1

    async def test_an_older_server_is_not_taken_on_trust(self, fake: FakeSupabase, storage: SupabaseStorage) -> None:
        fake.old = True
        keys = [f"g_{number:04}" for number in range(1100)]
        plant(fake, *keys, "gx0001", "G_0001", "g_/.emptyFolderPlaceholder", ".hidden")
        assert await keys_of(storage, "g_") == keys
        assert [file.key async for file in storage.list("g_", after="g_1097")] == ["g_1098", "g_1099"]
        found = await storage.find("g_1099")
        assert found is not None
        assert found.size == len(b"data")


class TestBelonging:
    @pytest.mark.parametrize("use", [use for use in USES if use != "owner"])
    @pytest.mark.parametrize("there", ["nothing", "another's mark", "no bucket"])
    async def test_a_bucket_that_is_another_now_is_not_used(
        self, fake: FakeSupabase, storage: SupabaseStorage, use: str, there: str
    ) -> None:
        await storage.belong_to("a-record")
        bucket = fake.buckets["pictures"]
        mark = dict(bucket.objects)
        bucket.objects.clear()
        if there == "another's mark":
            plant(fake, *mark)
        if there == "no bucket":
            del fake.buckets["pictures"]
        before = dict(bucket.objects)
        with pytest.raises(StorageUnavailable, match="SUPABASE_BUCKET"):
            await USES[use](storage)
        assert bucket.objects == before
        fake.buckets["pictures"] = bucket
        bucket.objects.update(mark)
        plant(fake, "a/b")
        await USES[use](storage)

    async def test_one_that_is_emptied_while_it_is_listed_is_not_empty(
        self, fake: FakeSupabase, storage: SupabaseStorage
    ) -> None:
        await storage.belong_to("a-record")
        plant(fake, *(f"a/{number:04}" for number in range(1100)))
        listing = storage.list()
        await anext(aiter(listing))
        fake.buckets["pictures"].objects.clear()
        with pytest.raises(StorageUnavailable):
            async for _ in listing:
                pass

    async def test_whose_it_is_is_not_asked_for_with_every_picture(self, fake: FakeSupabase) -> None:
        storage = await opened_bucket(fake.url, KEY, "pictures")
        await storage.belong_to("a-record")
        before = fake.sent("record")
        for number in range(5):
            await put(storage, f"a/{number}")
            await storage.get(f"a/{number}")
        assert fake.sent("record") == before
        await storage.close()


class TestChecking:
    async def test_it_stores_something_when_nothing_was_stored_lately(
        self, fake: FakeSupabase, storage: SupabaseStorage
    ) -> None:
        await storage.belong_to("a-record")
        await put(storage, "a")
        for _ in range(3):
            await storage.check()
        assert fake.sent("probe") == 0
        await storage.close()
        idle = await opened_bucket(fake.url, KEY, "pictures", SHORT)
        await idle.belong_to("a-record")
        for _ in range(3):
            await idle.check()
        assert fake.sent("probe") == 1
        assert await keys_of(idle) == ["a"]
        await idle.close()

    async def test_it_says_how_it_is_now(self, fake: FakeSupabase, storage: SupabaseStorage) -> None:
        await storage.belong_to("a-record")
        fake.break_down(Fault("refused", status=503))
        with pytest.raises(StorageUnavailable):
            await storage.check()
        await storage.check()

    async def test_one_that_takes_nothing_more_is_full(self, fake: FakeSupabase, storage: SupabaseStorage) -> None:
        fake.break_down(Fault("refused", "POST", times=ALWAYS, status=402, message="exceed_storage_size_quota"))
        with pytest.raises(StorageQuotaExceeded):
            await storage.check()

    async def test_one_that_only_takes_nothing_is_unavailable(
        self, fake: FakeSupabase, storage: SupabaseStorage
    ) -> None:
        fake.break_down(Fault("refused", "POST", times=ALWAYS, status=400, error="InvalidRequest"))
        with pytest.raises(StorageUnavailable):
            await storage.check()


class TestKeys:
    @pytest.mark.parametrize("key", ["ünïcode", "a%2e%2e/b", "a~b", "a#b", "a?b", "a[b]", "a{b}", "a^b"])
    async def test_a_key_that_the_server_would_not_take_is_refused_before(
        self, fake: FakeSupabase, storage: SupabaseStorage, key: str
    ) -> None:
        before = len(fake.requests)
        for use in (put(storage, key), storage.get(key), storage.find(key), storage.delete([key]), _read(storage, key)):
            with pytest.raises(InvalidInput):
                await use
        assert len(fake.requests) == before

    async def test_a_missing_file_is_told_from_all_else(self, storage: SupabaseStorage) -> None:
        with pytest.raises(FileMissing):
            await storage.get("a/b")
        assert await storage.find("a/b") is None
