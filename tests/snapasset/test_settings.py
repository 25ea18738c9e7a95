"""Settings: defaults that work, bounds that hold, and complaints that name the variable and never its value."""

from __future__ import annotations

from pathlib import Path

import httpx2
import pytest
from pydantic import SecretStr, ValidationError

from snapasset.errors import BadConfiguration
from snapasset.settings import Settings, read_settings

CANARY = "canary-5f1c"


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in Settings.model_fields:
        for spelling in (name, name.upper()):
            monkeypatch.delenv(spelling, raising=False)
    monkeypatch.chdir(tmp_path)


def test_nothing_needs_to_be_set() -> None:
    settings = read_settings()
    assert settings.host == "127.0.0.1"
    assert settings.sqlite_synchronous == "FULL"
    assert settings.lease_seconds > settings.beat_seconds


def test_an_empty_variable_is_one_that_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "")
    monkeypatch.setenv("SIGNING_SECRET", "")
    assert (read_settings().port, read_settings().signing_secret) == (None, None)


def test_a_variable_is_the_name_in_capitals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOB_MAX_CONCURRENCY", "7")
    monkeypatch.setenv("SQLITE_SYNCHRONOUS", "NORMAL")
    assert read_settings().job_max_concurrency == 7
    assert read_settings().sqlite_synchronous == "NORMAL"


def test_no_file_is_read_behind_ones_back(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("JOB_MAX_CONCURRENCY=7\n")
    assert read_settings().job_max_concurrency == Settings.model_fields["job_max_concurrency"].default


FREE_TEXT = {
    name
    for name, field in Settings.model_fields.items()
    if str(field.annotation) in (str(str), str(Path), str(Path | None))
} | {
    # Looked at where Redis is looked for: a wrong one leads to the fallback and not to an exit.
    "redis_url", "redis_host", "redis_username", "redis_password",
    # Only the provider knows which keys and models there are: a wrong one is told by the banner and /health.
    "openai_api_key", "openai_image_model",
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(set(Settings.model_fields) - FREE_TEXT))
def test_a_bad_value_is_told_by_its_name_and_never_shown(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name.upper(), CANARY)  # no number, no choice, and too short for a secret
    with pytest.raises(BadConfiguration) as raised:
        read_settings()
    assert name.upper() in raised.value.detail
    assert CANARY not in raised.value.detail
    assert CANARY not in repr(raised.value)
    assert raised.value.__cause__ is None
    shown = raised.value.__context__ is not None and not raised.value.__suppress_context__
    assert not shown, "a traceback would print the value"


def test_every_bad_one_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "-1")
    monkeypatch.setenv("LOG_LEVEL", "loud")
    with pytest.raises(BadConfiguration, match=r"LOG_LEVEL.*PORT"):
        read_settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "65536"),
        ("PORT", "80.5"),
        ("BEAT_SECONDS", "0"),
        ("BEAT_SECONDS", "-1"),
        ("BEAT_SECONDS", "nan"),
        ("JOB_MAX_CONCURRENCY", "0"),
        ("RING_CAP", "0"),
        ("LIVE_JOBS_PER_OWNER", "0"),
        ("RETRY_BASE_SECONDS", "-0.1"),
        ("PAID_DOUBT", "maybe"),
        ("SQLITE_SYNCHRONOUS", "OFF"),
        ("SIGNING_SECRET", "too short"),
        ("METRICS_TOKEN", "too short"),
        ("PRESENCE_SECONDS", "0"),
        ("PRESENCE_SECONDS", "inf"),
        ("REDIS_PROBE_SECONDS", "0"),
        ("REDIS_PROBE_SECONDS", "11"),
        ("REDIS_RETURN_SECONDS", "-1"),
        ("REDIS_RETURN_SECONDS", "inf"),
        ("REDIS_PORT", "0"),
        ("REDIS_PORT", "65536"),
        ("REDIS_DB", "-1"),
        ("REDIS_DB", "65536"),
        ("WORKER_PORT", "-1"),
        ("WORKER_PORT", "65536"),
        ("SWEEP_REDIS_SECONDS", "0"),
        ("SWEEP_REDIS_SECONDS", "nan"),
        ("DRAIN_SECONDS", "inf"),
        ("DRAIN_SECONDS", "86401"),
        ("FALLBACK_WORKER", "perhaps"),
        ("OPENAI_BASE_URL", "api.openai.example/v1"),
        ("OPENAI_BACKEND", "another"),
        ("OPENAI_SECONDS", "0"),
        ("OPENAI_SECONDS", "inf"),
        ("IMAGE_PREVIEWS", "4"),
        ("IMAGE_PREVIEWS", "-1"),
        ("IMAGE_QUALITY", "best"),
    ],
)
def test_what_would_do_harm_is_out_of_bounds(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(BadConfiguration, match=name):
        read_settings()


@pytest.mark.parametrize(
    "url",
    [
        "http://", "https://", "http:///v1", "http://:8000/v1", "http://[::x", "http://[::x]/v1", "http://[]/v1",
        "http://host:99999/v1", "http://host:0/v1", "http://host:eighty/v1", "http://host:-1/v1", "http://hunter2@host/v1",
        "http://me:hunter2@host/v1", "http://@host/v1", "http://host/v1?key=hunter2", "http://host/v1?", "http://host/v1#a",
        "http://a b/v1", "http://host/v 1", "http://h\u00f6st/v1", "http://host\\v1", "http://ho\x00st/v1", "http://a..b/v1",
        "http://256.1.1.1/v1", "http://-host/v1", f"http://{'h' * 64}/v1", "ftp://host/v1", "host:8000", "http:/host/v1",
        f"http://host/{'p' * 3_000}", "http://[fe80::1%25eth0]/v1", "http://ho%73t/v1",
    ],
)  # fmt: skip
def test_an_address_at_which_nothing_can_be_asked_is_refused_and_not_quoted(url: str) -> None:
    with pytest.raises(ValidationError) as raised:
        Settings(openai_base_url=SecretStr(url))
    (error,) = raised.value.errors()
    assert error["loc"] == ("openai_base_url",)
    assert not any(part in error["msg"] for part in ("hunter2", "host/", "::x", "99999"))


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8000/v1", "http://localai:8080/v1", "https://api.openai.com/v1", "https://api.openai.com/v1/",
        "http://[::1]:80/v1", "http://my_service", "https://xn--hst-sna.example./v1", "http://Host:65535/a%20b/~c",
    ],
)  # fmt: skip
def test_an_address_at_which_something_can_be_asked_is_taken(url: str) -> None:
    given = Settings(openai_base_url=SecretStr(f" {url}\n")).openai_base_url
    assert given is not None
    assert given.get_secret_value() == url
    assert str(httpx2.URL(url)).startswith("http")


def test_a_blank_address_is_none() -> None:
    assert Settings(openai_base_url=SecretStr(" \n")).openai_base_url is None


@pytest.mark.parametrize(("beat", "lease"), [("5", "5"), ("5", "4.9"), ("20", "15")])
def test_a_lease_that_no_beat_could_keep_is_refused(monkeypatch: pytest.MonkeyPatch, beat: str, lease: str) -> None:
    monkeypatch.setenv("BEAT_SECONDS", beat)
    monkeypatch.setenv("LEASE_SECONDS", lease)
    with pytest.raises(BadConfiguration, match="LEASE_SECONDS"):
        read_settings()


def test_a_secret_is_not_shown_by_accident(monkeypatch: pytest.MonkeyPatch) -> None:
    secret = f"{CANARY}-{'x' * 32}"
    monkeypatch.setenv("SIGNING_SECRET", secret)
    settings = read_settings()
    assert settings.signing_secret is not None
    assert settings.signing_secret.get_secret_value() == secret
    assert CANARY not in f"{settings} {settings!r} {settings.model_dump()}"


@pytest.mark.parametrize(
    ("host", "here"),
    [
        ("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False),
        ("10.0.0.1", False), ("localhost.example", False), ("", False),
    ],
)  # fmt: skip
def test_it_is_known_whether_others_can_reach_the_address(host: str, here: bool) -> None:
    assert Settings(host=host).loopback is here


def test_every_setting_says_what_it_is_for() -> None:
    assert all(field.description for field in Settings.model_fields.values())
