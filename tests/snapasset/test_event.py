"""The JSON of news, and times as they are spelled in it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from snapasset.event import ERROR, FINAL, UPDATE, Event, Tick, iso, tell, tick
from snapasset.job import Job

JOB = Job(
    id="j-1", kind="draw", queue="pictures", owner="anna", status="active", priority=0, data='{"secret":1}',
    result=None, error=None, generation_id=None, run=2, attempt=1, attempts=3, fence=4, beat=7, seq=9, step="render",
    progress=62.5, cancel_requested=0, worker_id="w", created_at=1, due_at=None, started_at=2, finished_at=None,
    updated_at=1_800_000_000_123,
)  # fmt: skip


class TestEvents:
    def test_the_body_says_where_the_job_stands_and_nothing_of_who_asked_or_who_works(self) -> None:
        event = tell(JOB, UPDATE)
        assert event == Event("j-1", 9, "update", event.body, 1_800_000_000_123, JOB.owner)
        assert json.loads(event.body) == {
            "type": "update", "jobId": "j-1", "seq": 9, "run": 2, "attempt": 1, "status": "active", "step": "render",
            "progress": 62.5, "at": "2027-01-15T08:00:00.123Z",
        }  # fmt: skip

    def test_a_wish_to_cancel_is_shown_while_it_stands(self) -> None:
        body = json.loads(tell(JOB._replace(cancel_requested=1), UPDATE).body)
        assert body["cancelRequested"] is True

    def test_more_is_added_or_replaced(self) -> None:
        body = json.loads(tell(JOB, ERROR, {"code": "c", "step": None}).body)
        assert (body["type"], body["code"], body["step"]) == ("error", "c", None)

    @pytest.mark.parametrize("text", ['{"a":[1,2.50,"x"]}', '"plain"', "null", "[]", "1e5"])
    def test_what_is_json_already_is_put_in_as_it_is(self, text: str) -> None:
        event = tell(JOB, FINAL, ready={"result": text})
        assert event.body.endswith(f',"result":{text}}}')
        assert json.loads(event.body)["result"] == json.loads(text)

    @pytest.mark.parametrize("evil", ["a\nb", "a\r\ndata: x", "\u2028", "\x00", '"}', "\x1b[31m", "\ud83c\udf3b"])
    def test_a_body_is_one_line_whatever_is_in_it(self, evil: str) -> None:
        evil = evil.encode("utf-16", "surrogatepass").decode("utf-16")
        body = tell(JOB._replace(step=evil), UPDATE, {"message": evil}).body
        assert not {"\n", "\r", "\x00", "\x1b"} & set(body)
        assert json.loads(body)["message"] == json.loads(body)["step"] == evil


class TestTicks:
    def test_a_tick_is_marked_and_has_no_seq_and_no_time(self) -> None:
        news = tick(JOB, "render", 71.26)
        assert news == Tick("j-1", news.body, JOB.owner)
        assert json.loads(news.body) == {
            "type": "update", "tick": True, "jobId": "j-1", "run": 2, "attempt": 1, "status": "active",
            "step": "render", "progress": 71.3,
        }  # fmt: skip


class TestTimes:
    @pytest.mark.parametrize(
        ("millis", "text"),
        [
            (0, "1970-01-01T00:00:00.000Z"),
            (1, "1970-01-01T00:00:00.001Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (1_800_000_000_000, "2027-01-15T08:00:00.000Z"),
            (4_102_444_800_050, "2100-01-01T00:00:00.050Z"),
        ],
    )
    def test_they_are_in_utc_to_the_millisecond(self, millis: int, text: str) -> None:
        assert iso(millis) == text
        assert datetime.fromisoformat(iso(millis)) == datetime.fromtimestamp(millis / 1000, UTC)

    def test_a_second_that_was_spelled_before_is_not_mixed_up(self) -> None:
        spelled: dict[int, Any] = {millis: iso(millis) for millis in range(0, 5000, 7)}
        assert spelled == {millis: iso(millis) for millis in spelled}
        assert len(set(spelled.values())) == len(spelled)
