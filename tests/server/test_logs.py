"""One record is one line, in both forms, whatever is in it; secrets are in none."""

from __future__ import annotations

import io
import json
import logging
from typing import TYPE_CHECKING, Any

import pytest

from snapasset import logs
from snapasset.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SECRET = 'canary-"secret"-of-more-than-32-characters'
EVIL = "a\r\nb\nc\x00d\x1b[31me\u2028f\u2029g\x85h\x9bi\x7fj\u202ek\x0bl\x0cm\x1cn"
ENDS_OF_LINES = set("\r\n\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _put_back() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    quiet = {name: logging.getLogger(name).level for name in logs.QUIET}
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, old in quiet.items():
        logging.getLogger(name).setLevel(old)
    logging.captureWarnings(False)


def written(act: Callable[[logging.Logger], object], stream: io.StringIO | None = None, **settings: Any) -> str:
    """What is written when `act` logs."""
    out = stream or io.StringIO()
    logs.configure(Settings.model_validate({"signing_secret": SECRET, **settings}), out)
    act(logging.getLogger("some.room"))
    return out.getvalue()


def in_json(act: Callable[[logging.Logger], object]) -> dict[str, Any]:
    text = written(act, log_format="json")
    assert text.count("\n") == 1
    assert text.isascii()
    return json.loads(text)


def test_a_record_in_json() -> None:
    said = in_json(lambda log: log.warning("took %d jobs", 3, extra={"jobId": "j", "queue": "q"}))
    assert list(said)[:4] == ["timestamp", "level", "logger", "message"]
    assert said.pop("timestamp").endswith("Z")
    assert said == {"level": "warning", "logger": "some.room", "message": "took 3 jobs", "jobId": "j", "queue": "q"}


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_whatever_is_in_a_record_it_is_one_line(log_format: str) -> None:
    text = written(
        lambda log: log.info("said %s", EVIL, extra={"prompt": EVIL, "deep": {EVIL: [EVIL]}}), log_format=log_format
    )
    assert text.endswith("\n")
    assert not ENDS_OF_LINES & set(text[:-1])
    assert not any(ord(character) < 0x20 or 0x7F <= ord(character) < 0xA0 for character in text[:-1])
    assert "\u202e" not in text


def test_what_was_said_can_be_read_back_from_json() -> None:
    said = in_json(lambda log: log.info("%s", EVIL, extra={"prompt": EVIL}))
    assert said["message"] == said["prompt"] == EVIL


def _raise(log: logging.Logger) -> None:
    try:
        raise ValueError(f"{EVIL}\n12:00:00 INFO    forged {SECRET}")
    except ValueError:
        log.exception("it failed")


def test_a_traceback_is_a_field_in_json() -> None:
    said = in_json(_raise)
    assert said["exception"].startswith("Traceback")
    assert "ValueError" in said["exception"]


def test_a_traceback_for_a_person_cannot_pass_for_a_record() -> None:
    lines = written(_raise, log_format="text").split("\n")
    assert lines.pop() == ""
    assert "it failed" in lines[0]
    assert len(lines) > 3
    assert all(line.startswith("    | ") for line in lines[1:])
    assert not any(ENDS_OF_LINES & set(line) for line in lines)


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_secrets_are_masked_wherever_they_stand(log_format: str) -> None:
    def act(log: logging.Logger) -> None:
        log.info("the secret is %s", SECRET, extra={"one": SECRET, "two": [SECRET], SECRET: 1})
        _raise(log)

    text = written(act, log_format=log_format)
    assert "canary" not in text
    assert "secret is **********" in text


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_the_token_of_the_admin_is_masked_too(log_format: str) -> None:
    token = "canary-token-of-more-than-32-characters"
    text = written(lambda log: log.info("it is %s", token), admin_token=token, log_format=log_format)
    assert "canary" not in text
    assert "it is **********" in text


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_what_is_too_short_for_a_secret_masks_nothing(log_format: str) -> None:
    settings: dict[str, Any] = {"redis_password": "http://", "openai_api_key": " ", "supabase_service_key": ""}
    text = written(lambda log: log.info("at http://host"), **settings, log_format=log_format)
    assert "at http://host" in text


def test_the_settings_themselves_show_no_secret() -> None:
    settings = Settings.model_validate({"signing_secret": SECRET, "admin_token": SECRET})
    assert "canary" not in repr(settings) + str(settings) + f"{settings.signing_secret} {settings.admin_token}"


def test_fields_that_are_bound_stand_in_every_record() -> None:
    def act(log: logging.Logger) -> None:
        logs.bind(requestId="r-1", jobId="bound")
        log.info("something", extra={"jobId": "own"})
        logs.bind()

    said = in_json(act)
    assert (said["requestId"], said["jobId"]) == ("r-1", "own")


def test_a_terminal_gets_colours_and_a_file_gets_json() -> None:
    def act(log: logging.Logger) -> object:
        return log.warning("careful", extra={"jobId": "j 1"})

    shown = written(act, Terminal())
    assert '\x1b[33mWARNING\x1b[0m careful jobId="j 1"' in shown
    assert json.loads(written(act))["message"] == "careful"
    assert "\x1b" not in written(act, log_format="text")
    assert json.loads(written(act, Terminal(), log_format="json"))["message"] == "careful"


def test_trifles_of_others_are_not_heard() -> None:
    def act(log: logging.Logger) -> None:
        log.debug("no")
        for name in ("saq", "uvicorn.error", "uvicorn.access", "sse_starlette.sse", "asyncio"):
            logging.getLogger(name).info("no")
        logging.getLogger("asyncio").warning("yes")

    text = written(act, log_format="json")
    assert [json.loads(line)["message"] for line in text.splitlines()] == ["yes"]


def test_calling_again_replaces_what_was() -> None:
    first = io.StringIO()
    logs.configure(Settings(), first)
    assert json.loads(written(lambda log: log.info("once")))["message"] == "once"
    assert first.getvalue() == ""


def test_odd_values_do_no_harm() -> None:
    said = in_json(lambda log: log.info("odd", extra={"a": object(), "b": b"\x00", "c": {1, 2}, "d": ValueError("x")}))
    assert said["message"] == "odd"
