"""What goes wrong with a call, and what it is called: refused, to be tried again, or perhaps paid for."""

from __future__ import annotations

import asyncio
import email.utils
import gzip
import json
import logging
import time
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from openai import APIConnectionError

from snapasset.errors import (
    AnswerLost,
    ContentPolicy,
    InvalidPrompt,
    ProviderError,
    ProviderQuotaExceeded,
    ProviderRefused,
    SnapAssetError,
    wire_error,
)
from tests.fakes.openai import (
    KEY,
    FakeOpenAI,
    answer,
    completed,
    file_of,
    frame,
    hangs,
    loses_the_answer,
    packed,
    partial,
    picture,
    refuses,
    says,
    streams,
)
from tests.worker.providers.desk import REQUEST, desk, unheard
from worker.providers.openai.faults import LONGEST_PAUSE, named_faults, retry_after
from worker.providers.openai.line import LONGEST_LINE, TooLong, open_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fakes.openai import Behaviour

SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'
BOMB = file_of("64x64")[:16] + (30_000).to_bytes(4, "big") * 2 + file_of("64x64")[24:]
"""A picture of 900 megapixels, it says."""


async def fault(behaviour: Behaviour, *, shown: bool = False, **settings: Any) -> tuple[SnapAssetError, int]:
    """What is raised when the server does this, and what it bills. Whatever happens, it is asked once."""
    async with desk(FakeOpenAI(behaviour), **settings) as d:
        with pytest.raises(SnapAssetError) as raised:
            await d.make(previews=[] if shown else None)
        assert len(d.fake.requests) == 1
        return raised.value, d.fake.bills


# --- refused


@pytest.mark.parametrize(
    ("behaviour", "kind"),
    [
        (refuses(400, "moderation_blocked"), ContentPolicy),
        (refuses(400, "content_policy_violation"), ContentPolicy),
        (refuses(400, "invalid_value"), ProviderRefused),
        (refuses(400, "string_above_max_length", param="prompt"), InvalidPrompt),
        (refuses(401, "invalid_api_key"), ProviderRefused),
        (refuses(403, "unsupported_country_region_territory"), ProviderRefused),
        (refuses(404, "model_not_found"), ProviderRefused),
        (refuses(422), ProviderRefused),
        (refuses(429, "insufficient_quota"), ProviderQuotaExceeded),
        (refuses(429, kind="insufficient_quota"), ProviderQuotaExceeded),
        (refuses(429, "billing_hard_limit_reached"), ProviderQuotaExceeded),
        (refuses(400, "billing_hard_limit_reached"), ProviderQuotaExceeded),
        (refuses(307, headers={"location": "/elsewhere"}), ProviderRefused),
        (says(b"\x1f\x8b nonsense", status=400, headers={"content-encoding": "gzip"}, billed=False), ProviderRefused),
    ],
)
async def test_what_asking_again_cannot_mend_is_final(behaviour: Behaviour, kind: type[SnapAssetError]):
    error, bills = await fault(behaviour)
    assert type(error) is kind or (kind is ProviderRefused and isinstance(error, ProviderRefused))
    assert (error.retryable, bills) == (False, 0)


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 529])
@pytest.mark.parametrize(
    "body", ['{"error": {"message": "No.", "code": "server_error"}}', "<html>no", '{"error": "no"}', ""]
)
async def test_what_may_pass_is_tried_again_without_a_doubt(status: int, body: str):
    error, bills = await fault(says(body, status=status, billed=False))
    assert type(error) is ProviderError
    assert (error.retryable, error.retry_after_seconds, bills) == (True, None, 0)


async def test_a_server_that_is_not_there_was_sent_nothing(caplog: pytest.LogCaptureFixture):
    async with desk(FakeOpenAI()) as d:
        await d.fake.__aexit__()
        with pytest.raises(ProviderError) as raised:
            await d.make()
        assert not isinstance(raised.value, AnswerLost)
        assert raised.value.retryable


async def test_a_host_that_nobody_knows_was_sent_nothing():
    async with desk(FakeOpenAI(), openai_base_url="http://nobody.invalid/v1") as d:
        with pytest.raises(ProviderError) as raised:
            await d.make()
        assert type(raised.value) is ProviderError


@pytest.mark.parametrize("error", [httpx2.UnsupportedProtocol("no scheme"), httpx2.InvalidURL("no host")], ids=type)
@pytest.mark.parametrize("told_by_the_sdk", [True, False])
def test_an_address_that_is_none_was_sent_nothing(error: Exception, *, told_by_the_sdk: bool):
    def send() -> None:
        if not told_by_the_sdk:
            raise error
        raise APIConnectionError(request=httpx2.Request("POST", "http://host")) from error

    with pytest.raises(ProviderError) as raised, named_faults([]):
        send()
    assert type(raised.value) is ProviderError


# --- told how long to wait


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "1"}, 1), ({"retry-after": "3600"}, 3600), ({"retry-after": "0.5"}, 0.5), ({"retry-after": "-5"}, 0),
        ({"retry-after": "99999999999"}, LONGEST_PAUSE), ({"retry-after": "1e999"}, LONGEST_PAUSE),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5), ({"retry-after-ms": "soon", "retry-after": "9"}, 9),
        ({}, None), ({"retry-after": "nan"}, None), ({"retry-after": "soon"}, None), ({"retry-after": ""}, None),
        ({"retry-after": "Wed, 99 Nov 2026 99:99:99 GMT"}, None),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0),
        ({"retry-after": "Fri, 31 Dec 9999 23:59:59 GMT"}, LONGEST_PAUSE),
    ],
)  # fmt: skip
async def test_how_long_it_wants_to_be_left_alone(headers: dict[str, str], seconds: float | None):
    assert retry_after(headers) == seconds
    error, _ = await fault(refuses(429, "rate_limit_exceeded", headers=headers))
    assert isinstance(error, ProviderError)
    assert error.retry_after_seconds == seconds


def test_a_date_is_as_far_as_it_is_away():
    told = retry_after({"retry-after": email.utils.formatdate(time.time() + 600, usegmt=True)})
    assert told is not None
    assert 500 < told <= 600


# --- perhaps paid for


@pytest.mark.parametrize(
    "behaviour",
    [
        loses_the_answer,
        says("<html>Welcome</html>", "text/html"),
        says("", "application/json"),
        says("{", "application/json"),
        says("[" * 100_000, "application/json"),
        says("null"), says("[]"), says("7"), says('"picture"'),
        says(answer()),
        says({"created": 1, "data": None}),
        says({"created": 1, "data": {"b64_json": packed(file_of())}}),
        says({"created": 1, "data": [None]}),
        says(answer({})),
        says({"created": 1, "data": [{"b64_json": 7}]}),
        says(answer({"b64_json": ""})),
        says(answer({"b64_json": "%%%%"})),
        says(answer({"b64_json": "é" * 8})),
        says(answer({"b64_json": packed(b"")})),
        says(answer({"b64_json": packed(b"<html>")})),
        says(answer({"b64_json": packed(SVG)})),
        says(answer({"b64_json": packed(BOMB)})),
        says(answer({"b64_json": packed(file_of()[:-40])})),
        says(answer({"b64_json": packed(b"GIF89a" + bytes(40))})),
        says(gzip.compress(json.dumps(answer(picture())).encode()), headers={"content-encoding": "gzip"}),
        says(json.dumps(answer(picture())), status=200, headers={"content-length": "9999999"}),
        says("", status=504), says("", status=524), says("", status=520),
    ],
)  # fmt: skip
async def test_an_answer_that_is_none_may_have_been_paid_for(behaviour: Behaviour):
    error, bills = await fault(behaviour)
    assert isinstance(error, AnswerLost)
    assert error.retryable
    assert bills == 1


@pytest.mark.parametrize(
    "behaviour",
    [
        streams(),
        streams(partial(0)),
        streams(partial(0), then="cut"),
        streams(completed()[:-2]),
        streams(completed()[: 2_000], then="cut"),
        streams("data: {\n\n"),
        streams("data: " + "[" * 100_000 + "\n\n"),
        streams(b"data: \xff\xfe\n\n"),
        streams("data: [DONE]\n\n"),
        streams(frame("image_generation.completed", [1, 2])),
        streams(frame("image_generation.completed", "null")),
        streams(frame("image_generation.completed", {"type": "image_generation.completed"})),
        streams(frame("image_generation.completed", {"type": "image_generation.completed", "b64_json": 7})),
        streams(completed(b64_json="%%%%")),
        streams(completed(b64_json=packed(SVG))),
        streams(frame("image_generation.surprise", {"type": "image_generation.surprise", "b64_json": packed(file_of())})),
        streams(frame("error", {"error": {"message": "No.", "type": "server_error", "code": "server_error"}})),
        streams(partial(0), frame("error", {"error": "no"})),
        streams(partial(0), frame("error", {"error": {"message": "Slow down.", "code": "rate_limit_exceeded"}})),
        says("<html>Welcome</html>", "text/html"),
        loses_the_answer,
    ],
)  # fmt: skip
async def test_a_stream_without_a_picture_may_have_been_paid_for(behaviour: Behaviour):
    error, bills = await fault(behaviour, shown=True)
    assert isinstance(error, AnswerLost)
    assert bills == 1


@pytest.mark.parametrize("shown", [True, False])
async def test_a_silence_ends_with_the_time_that_a_picture_may_take(*, shown: bool):
    error, bills = await fault(hangs, shown=shown, openai_seconds=0.3)
    assert (type(error), bills) == (AnswerLost, 1)


async def test_a_stream_that_never_comes_to_its_point_ends_as_well():
    async def drips(call: Any) -> None:
        call.bill()
        await call.head(200, "text/event-stream")
        while True:
            await call.send(b": still here\n\n")
            await asyncio.sleep(0.01)

    error, bills = await fault(drips, shown=True, openai_seconds=0.3)
    assert (type(error), bills) == (AnswerLost, 1)


@pytest.mark.parametrize("piece", [b"x" * 65_536, b"data: x\n" * 8_192])
@pytest.mark.parametrize("kind", ["application/json", "text/event-stream"])
async def test_no_answer_is_read_without_end(kind: str, piece: bytes):
    async def pours(call: Any) -> None:
        call.bill()
        await call.head(200, kind)
        while True:
            await call.send(piece)

    headers = {"authorization": f"Bearer {KEY}"}
    async with FakeOpenAI(pours, strict=False) as fake, open_line(10.0, longest_line=1_000_000) as line:
        url = f"{fake.url}/images/generations"
        async with line.stream("POST", url, json={"prompt": "x"}, headers=headers) as response:
            with pytest.raises(TooLong):
                await response.aread()
    assert response.num_bytes_downloaded <= 4_200_000


async def test_an_error_is_not_read_without_end():
    async def pours(call: Any) -> None:
        await call.head(429, "application/json", {"retry-after": "7"})
        while True:
            await call.send(b"x" * 65_536)

    error, _ = await fault(pours)
    assert (type(error), error.__dict__["retry_after_seconds"]) == (ProviderError, 7)


TOLD_OFF: dict[str, Callable[[dict[str, Any]], Behaviour]] = {
    "as OpenAI tells it": lambda error: streams(partial(0), frame("error", {"error": error})),
    "in the event itself": lambda error: streams(partial(0), frame("error", {**error, "type": "error"})),
    "a whole answer": lambda error: says({"error": error}, billed=False),
}  # fmt: skip


@pytest.mark.parametrize("tell", TOLD_OFF.values(), ids=TOLD_OFF)
@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("moderation_blocked", ContentPolicy),
        ("insufficient_quota", ProviderQuotaExceeded),
        ("rate_limit_exceeded", AnswerLost),
        (None, AnswerLost),
    ],
)
async def test_refused_under_a_status_of_200_is_refused_if_it_says_so(
    tell: Callable[[dict[str, Any]], Behaviour], code: str | None, kind: type[SnapAssetError]
):
    error, _ = await fault(tell({"message": "No.", "type": "image_generation_user_error", "code": code}), shown=True)
    assert type(error) is kind
    assert "req_1" in error.detail


async def test_the_first_of_two_finals_counts_and_nothing_after_it():
    two = streams(completed("1024x1024"), completed("1536x1024"), then="hang")
    async with desk(FakeOpenAI(two)) as d:
        made = await d.make(previews=[])
        assert (made.width, made.height) == (1024, 1024)
        assert (d.fake.bills, len(d.fake.requests)) == (1, 1)


async def test_what_is_not_known_is_passed_over():
    odd = streams(
        ": a comment\n\n", frame("image_generation.surprise", {"type": "image_generation.surprise"}), "data: {}\n\n",
        frame("x", {"type": 7}), partial(0), completed(),
    )  # fmt: skip
    async with desk(FakeOpenAI(odd)) as d:
        assert (await d.make(previews=[])).width == 1024


async def test_a_frame_that_is_longer_than_any_picture_is_not_read_to_its_end():
    error, _ = await fault(streams("data: " + "x" * (LONGEST_LINE + 1)), shown=True)
    assert type(error) is AnswerLost


async def test_a_stream_is_known_however_its_type_is_spelt():
    async with desk(FakeOpenAI(says(completed(), "Text/Event-Stream; charset=UTF-8"))) as d:
        assert (await d.make(previews=[])).width == 1024


async def test_a_whole_answer_in_place_of_a_stream_is_an_answer():
    async with desk(FakeOpenAI(says(answer(picture())))) as d:
        assert (await d.make(previews=[])).width == 1024
        assert d.fake.bills == 1


async def test_a_picture_of_another_size_and_kind_is_taken_as_what_it_is():
    async with desk(FakeOpenAI(says(answer({"b64_json": packed(file_of("640x512", "JPEG"))})))) as d:
        made = await d.make()
        assert (made.width, made.height, made.content_type) == (640, 512, "image/jpeg")


# --- what is said of it


@pytest.mark.parametrize(
    "behaviour",
    [
        refuses(401, "invalid_api_key", message=f"Incorrect API key provided: {KEY}"),
        refuses(429, "rate_limit_exceeded", message="org-secret is too fast", headers={"x-request-id": "req_7"}),
        says("<html>org-secret", "text/html"),
        streams(frame("error", {"error": {"message": f"org-secret {KEY}", "code": "x\r\ny"}})),
    ],
)
async def test_a_sentence_names_the_call_and_repeats_nothing(behaviour: Behaviour, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    error, _ = await fault(behaviour, shown=True)
    message = str(wire_error(error)["message"])
    assert "req_" in message
    for told in (
        message,
        str(error),
        *(f"{record.getMessage()} {record.__dict__}" for record in caplog.records if record.name.startswith("worker")),
    ):
        assert KEY not in told
        assert "org-secret" not in told
        assert "\n" not in message


async def test_a_name_that_is_none_is_not_told():
    async with desk(FakeOpenAI(refuses(500, "a code\x1b[31m", headers={"x-request-id": "nobody <b>knows</b>"}))) as d:
        with pytest.raises(ProviderError) as raised:
            await d.make()
    assert raised.value.detail == ProviderError.sentence


async def test_going_away_in_mid_call_is_safe():
    fake = FakeOpenAI(hangs)
    async with desk(fake) as d:
        call = asyncio.ensure_future(d.make())
        await fake.hung.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert (await d.make()).width == 1024


async def test_what_a_listener_raises_is_no_fault_of_the_provider():
    def broken(share: float) -> None:
        if share > 0.2:
            raise TimeoutError("the listener's own")

    async with desk(FakeOpenAI()) as d:
        with pytest.raises(TimeoutError, match="the listener's own"):
            await d.provider.generate(REQUEST, broken, lambda _: None)


@pytest.mark.parametrize("number", [0, 1])
async def test_the_sdk_repeats_nothing(number: int):
    behaviours: list[Callable[..., Any]] = [loses_the_answer, refuses(500)]
    async with desk(FakeOpenAI(*behaviours[number:])) as d:
        with pytest.raises(ProviderError):
            await d.provider.generate(REQUEST, unheard)
        assert len(d.fake.requests) == 1
