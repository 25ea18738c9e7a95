"""Tokens open one job's stream, to whoever has no cookie and no header, and open nothing else."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

import pytest

from server.stream_tokens import AFTERLIFE_MS, StreamTokens, read_secret
from snapasset.errors import BadConfiguration, NotFound
from snapasset.records.jobs import GetJob
from tests.server.service import ALICE, GOOD, Service

if TYPE_CHECKING:
    from pathlib import Path

    from snapasset.settings import Settings


async def posted(service: Service) -> dict[str, Any]:
    answer = await service.http.post("/api/jobs/image-generation", json=GOOD, headers=ALICE)
    assert answer.status_code == 202
    return answer.json()


async def test_a_token_opens_its_jobs_stream_without_any_identity(service: Service) -> None:
    body = await posted(service)
    await service.run(body["jobId"], {"images": []})
    answer = await service.http.get(body["links"]["events"], params={"token": body["streamToken"]})
    assert answer.status_code == 200
    assert '"type":"final"' in answer.text


@pytest.mark.parametrize("path", ["", "/timeline"])
async def test_a_token_opens_nothing_else(service: Service, path: str) -> None:
    body = await posted(service)
    answer = await service.http.get(f"/api/jobs/{body['jobId']}{path}", params={"token": body["streamToken"]})
    assert answer.status_code in {404, 422}


async def test_a_wrong_token_looks_like_an_unknown_job(service: Service) -> None:
    first, second = await posted(service), await posted(service)
    for token in ("", "x", second["streamToken"], first["streamToken"][:-1], "é" * 43, "\0"):
        wrong = await service.http.get(first["links"]["events"], params={"token": token}, headers=ALICE)
        missing = await service.http.get(f"/api/jobs/{'0' * 36}/events", params={"token": token})
        assert (wrong.status_code, missing.status_code) == (404, 404)
        assert wrong.json()["detail"] == missing.json()["detail"]


async def test_a_token_ends_a_day_after_its_job(service: Service) -> None:
    body = await posted(service)
    await service.run(body["jobId"], {"images": []})
    job = await service.state["database"].read(GetJob(body["jobId"]))
    assert job is not None
    assert job.finished_at is not None
    tokens = service.state["stream_tokens"]
    assert tokens.check(body["streamToken"], job, job.finished_at + AFTERLIFE_MS) is job
    with pytest.raises(NotFound):
        tokens.check(body["streamToken"], job, job.finished_at + AFTERLIFE_MS + 1)


def test_tokens_of_another_secret_or_owner_differ() -> None:
    tokens = StreamTokens(b"one")
    assert len({tokens.make("job", "a"), tokens.make("job", "b"), StreamTokens(b"two").make("job", "a")}) == 3


async def test_a_secret_is_made_once_and_for_its_user_only(settings: Settings) -> None:
    settings.data_dir.mkdir(exist_ok=True)
    read = await asyncio.gather(*(asyncio.to_thread(read_secret, settings) for _ in range(8)))
    assert len(set(read)) == 1
    assert len(read[0]) >= 43
    path = settings.data_dir / "signing-secret"
    assert read_secret(settings) == read[0] == path.read_bytes()
    assert [entry.name for entry in settings.data_dir.glob("*signing*")] == ["signing-secret"]
    if os.name == "posix":
        assert path.stat().st_mode & 0o777 == 0o600


def test_the_settings_secret_comes_first(settings: Settings) -> None:
    given = type(settings).model_validate({"signing_secret": "s" * 32, "data_dir": settings.data_dir})
    assert read_secret(given) == b"s" * 32
    assert not (settings.data_dir / "signing-secret").exists()


def test_a_folder_that_cannot_keep_a_secret_is_named(tmp_path: Path, settings: Settings) -> None:
    given = type(settings).model_validate({"data_dir": tmp_path / "missing"})
    with pytest.raises(BadConfiguration, match="DATA_DIR"):
        read_secret(given)


def test_a_secret_too_short_to_protect_anything_is_refused(settings: Settings) -> None:
    settings.data_dir.mkdir(exist_ok=True)
    (settings.data_dir / "signing-secret").write_text("")
    with pytest.raises(BadConfiguration, match="signing-secret"):
        read_secret(settings)
