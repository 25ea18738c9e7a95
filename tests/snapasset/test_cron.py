"""When a crontab line fires, in whatever zone, and what a change of clocks does to it."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from snapasset.cron import next_fire
from snapasset.errors import InvalidInput

BERLIN = "Europe/Berlin"


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def fires(cron: str, zone: str, after: str, count: int = 1) -> list[str]:
    """The first times after a moment, in UTC."""
    times: list[str] = []
    at = ms(after)
    for _ in range(count):
        at = next_fire(cron, zone, at)
        times.append(datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%dT%H:%MZ"))
        assert at % 60_000 == 0
    return times


@pytest.mark.parametrize(
    ("cron", "after", "expected"),
    [
        ("0 2 * * *", "2026-03-01T01:59:59.999Z", "2026-03-01T02:00Z"),
        ("0 2 * * *", "2026-03-01T02:00:00.000Z", "2026-03-02T02:00Z"),
        ("0 2 * * *", "2026-03-01T02:00:00.001Z", "2026-03-02T02:00Z"),
        ("* * * * *", "2026-03-01T02:00:00Z", "2026-03-01T02:01Z"),
        ("*/15 9-17 * * 1-5", "2026-02-27T17:45:00Z", "2026-03-02T09:00Z"),
        ("30 4 1,15 * *", "2026-03-02T00:00:00Z", "2026-03-15T04:30Z"),
        ("0 0 * * sun", "2026-03-02T00:00:00Z", "2026-03-08T00:00Z"),
        ("0 0 * * 7", "2026-03-02T00:00:00Z", "2026-03-08T00:00Z"),
        ("0 0 13 * fri", "2026-03-02T00:00:00Z", "2026-03-06T00:00Z"),  # crontab(5): one of the two days is enough
        ("0 0 29 2 *", "2026-03-01T00:00:00Z", "2028-02-29T00:00Z"),
        ("59 23 31 12 *", "2026-12-31T23:59:00Z", "2027-12-31T23:59Z"),
    ],
)
def test_it_is_the_first_time_after_that_the_line_means(cron: str, after: str, expected: str) -> None:
    assert fires(cron, "UTC", after) == [expected]


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        ("UTC", "2026-07-02T02:00Z"),
        (BERLIN, "2026-07-02T00:00Z"),
        ("America/New_York", "2026-07-01T06:00Z"),
        ("Asia/Kolkata", "2026-07-01T20:30Z"),
        ("Pacific/Kiritimati", "2026-07-01T12:00Z"),
    ],
)
def test_the_hour_is_the_zones_own(zone: str, expected: str) -> None:
    after = "2026-07-01T02:00:00Z" if zone != "America/New_York" else "2026-06-30T12:00:00Z"
    assert fires("0 2 * * *", zone, after) == [expected]


class TestClockChanges:
    """In Berlin, 2026-03-29 has no 02:00 to 03:00, and 2026-10-25 has it twice."""

    def test_the_same_hour_of_the_day_comes_after_23_and_after_25_hours(self) -> None:
        spring = fires("0 12 * * *", BERLIN, "2026-03-28T00:00:00Z", 3)
        assert spring == ["2026-03-28T11:00Z", "2026-03-29T10:00Z", "2026-03-30T10:00Z"]
        autumn = fires("0 12 * * *", BERLIN, "2026-10-24T00:00:00Z", 3)
        assert autumn == ["2026-10-24T10:00Z", "2026-10-25T11:00Z", "2026-10-26T11:00Z"]

    def test_a_time_that_is_skipped_comes_right_after_the_gap_and_once(self) -> None:
        assert fires("30 2 * * *", BERLIN, "2026-03-28T12:00:00Z", 2) == ["2026-03-29T01:00Z", "2026-03-30T00:30Z"]
        assert fires("0,30 2 * * *", BERLIN, "2026-03-28T12:00:00Z", 2) == ["2026-03-29T01:00Z", "2026-03-30T00:00Z"]

    def test_a_time_that_comes_twice_fires_the_first_time(self) -> None:
        assert fires("30 2 * * *", BERLIN, "2026-10-24T12:00:00Z", 2) == ["2026-10-25T00:30Z", "2026-10-26T01:30Z"]

    @pytest.mark.parametrize("after", ["2026-10-25T01:00:00Z", "2026-10-25T01:15:00Z", "2026-10-25T01:44:59Z"])
    def test_asked_in_the_second_showing_it_does_not_go_back_to_the_first(self, after: str) -> None:
        assert fires("45 2 * * *", BERLIN, after) == ["2026-10-26T01:45Z"]
        assert fires("45 2,3 * * *", BERLIN, after) == ["2026-10-25T02:45Z"]

    def test_what_fires_each_hour_goes_on_through_both(self) -> None:
        assert fires("0 * * * *", BERLIN, "2026-10-24T23:30:00Z", 4) == [
            "2026-10-25T00:00Z",
            "2026-10-25T01:00Z",
            "2026-10-25T02:00Z",
            "2026-10-25T03:00Z",
        ]
        assert fires("*/30 * * * *", BERLIN, "2026-03-29T00:00:00Z", 3) == [
            "2026-03-29T00:30Z",
            "2026-03-29T01:00Z",
            "2026-03-29T01:30Z",
        ]


MALFORMED = [
    "", "at noon", "* * * *", "* * * * * *", "0 0 2 * * *", "60 * * * *", "0 24 * * *", "0 0 0 * *", "0 0 32 * *",
    "0 0 * 13 *", "0 0 * * 8", "*/0 * * * *", "5-1 * * * *", "1,,2 * * * *", "-1 * * * *", "a b c d e", "@daily",
    "0 2 * * *\x00", "٣ 2 * * *", "0.5 * * * *",
]  # fmt: skip


@pytest.mark.parametrize("cron", MALFORMED)
def test_a_malformed_line_is_refused_by_name(cron: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        next_fire(cron, "UTC", 0)
    assert raised.value.fields.keys() == {"cron"}


@pytest.mark.parametrize("cron", ["0 0 30 2 *", "0 0 31 4,6,9,11 *", "0 0 30,31 2 *", "0 0 */30 * MON#2"])
def test_so_is_a_date_that_never_comes(cron: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        next_fire(cron, "UTC", ms("2026-01-01T00:00:00Z"))
    assert raised.value.fields.keys() == {"cron"}


@pytest.mark.parametrize(
    "zone", ["", "Moon/Tranquility", "Europe", "../etc/passwd", "/etc/localtime", "CEST", "\0", "\ud800", "x" * 5000]
)
def test_so_is_a_zone_that_is_none(zone: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        next_fire("0 2 * * *", zone, 0)
    assert raised.value.fields.keys() == {"zone"}


FIELD = st.text("0123456789*,-/LW#", max_size=6)


@settings(deadline=None, derandomize=True, database=None)
@given(st.lists(FIELD, min_size=4, max_size=6).map(" ".join))
@example("*/0 * * * *")
@example("L * * * *")
def test_whatever_is_written_is_a_time_to_come_or_a_refusal(cron: str) -> None:
    with suppress(InvalidInput):
        assert next_fire(cron, BERLIN, 0) > 0


LINES = st.tuples(st.integers(0, 59), st.integers(0, 23)).map(lambda at: f"{at[0]} {at[1]} * * *")
MOMENTS = st.integers(ms("2026-03-27T00:00:00Z") // 1000, ms("2026-11-01T00:00:00Z") // 1000).map(lambda s: s * 1000)
AROUND_CHANGES = st.sampled_from(["2026-03-29T01:00:00Z", "2026-10-25T01:00:00Z"]).flatmap(
    lambda change: st.integers(-7200, 7200).map(lambda seconds: ms(change) + seconds * 1000)
)


@settings(deadline=None, derandomize=True, database=None)
@given(LINES, MOMENTS | AROUND_CHANGES)
def test_a_daily_line_fires_once_on_each_day_of_its_zone(cron: str, after: int) -> None:
    zone = ZoneInfo(BERLIN)
    first = next_fire(cron, BERLIN, after)
    second = next_fire(cron, BERLIN, first)
    assert after < first < second
    days = [datetime.fromtimestamp(at / 1000, zone).date() for at in (first, second)]
    assert days[1] - days[0] == timedelta(days=1)
