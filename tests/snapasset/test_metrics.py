"""What is counted, as Prometheus reads it: true, parsed by its own parser, and never more series than the catalogue allows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from prometheus_client.parser import text_string_to_metric_families

from snapasset.errors import SnapAssetError, wire_error
from snapasset.job_type import Catalogue, JobType, Wire
from snapasset.metrics import OTHER, OUTCOMES, Found, Metrics, QueueFound
from snapasset.records.jobs import QueueDepth

if TYPE_CHECKING:
    from collections.abc import Iterator

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


class Nothing(Wire):
    """No data."""


async def _run(_context: object) -> Nothing:
    raise AssertionError("nothing runs here")


def _kind(kind: str, queue: str) -> JobType[Nothing, Nothing]:
    return JobType(kind=kind, queue=queue, args=Nothing, result=Nothing, run=_run)


@dataclass
class Standing:
    """A switch that stands as it is told to."""

    mode: str = "memory"
    redis: str = "not configured"


CATALOGUE = Catalogue([_kind("paint", "pictures"), _kind("crop", "pictures"), _kind("mail", "letters")])
EMPTY = Found(up={"database": True})


@pytest.fixture
def switch() -> Standing:
    return Standing()


@pytest.fixture
def metrics(switch: Standing) -> Metrics:
    return Metrics(CATALOGUE, switch)


def _samples(metrics: Metrics, found: Found = EMPTY) -> Samples:
    text = metrics.text(found).decode()
    told = [
        (sample.name.removeprefix("snapasset_"), frozenset(sample.labels.items()), sample.value)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    ]
    samples = {(name, labels): value for name, labels, value in told}
    assert len(samples) == len(told), "a series is told twice"
    return samples


def _value(samples: Samples, name: str, **labels: str) -> float:
    return samples[name, frozenset(labels.items())]


def _queue(
    *counts: int, oldest: int | None = None, paused: bool = False, workers: int = 0, unknown: int = 0
) -> QueueFound:
    """A queue with so many jobs waiting, delayed, blocked and active."""
    return QueueFound(QueueDepth(*counts, oldest_ms=oldest), paused, workers, unknown)


def _labels(samples: Samples, label: str) -> set[str]:
    return {value for _, labels in samples for name, value in labels if name == label}


def test_claims_are_counted_by_queue(metrics: Metrics) -> None:
    assert _value(_samples(metrics), "claims_total", queue="letters") == 0, "it is there before the first"
    metrics.claimed("pictures")
    metrics.claimed("pictures")
    samples = _samples(metrics)
    assert _value(samples, "claims_total", queue="pictures") == 2
    assert _value(samples, "claims_total", queue="letters") == 0


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_an_attempt_is_timed_by_how_it_ended(metrics: Metrics, outcome: str) -> None:
    metrics.ended("paint", outcome, 7)
    metrics.ended("paint", outcome, 1_000)
    samples = _samples(metrics)
    assert _value(samples, "attempt_seconds_count", kind="paint", outcome=outcome) == 2
    assert _value(samples, "attempt_seconds_sum", kind="paint", outcome=outcome) == 1_007
    for le, count in (("5.0", 0), ("10.0", 1), ("600.0", 1), ("+Inf", 2)):
        assert _value(samples, "attempt_seconds_bucket", kind="paint", outcome=outcome, le=le) == count
    assert _value(samples, "retries_total", kind="paint") == (2 if outcome == "retried" else 0)
    assert not any(name == "failures_total" for name, _ in samples)


def test_failures_are_counted_by_code_whether_tried_again_or_not(metrics: Metrics) -> None:
    metrics.ended("paint", "retried", 1, "provider_timeout")
    metrics.ended("paint", "failed", 1, "provider_timeout")
    metrics.ended("mail", "failed", 1, "content_policy")
    samples = _samples(metrics)
    assert _value(samples, "failures_total", kind="paint", code="provider_timeout") == 2
    assert _value(samples, "failures_total", kind="mail", code="content_policy") == 1


def test_every_code_that_an_error_can_have_is_told_by_its_name(metrics: Metrics) -> None:
    def below(error: type[SnapAssetError]) -> Iterator[type[SnapAssetError]]:
        yield error
        for child in error.__subclasses__():
            yield from below(child)

    codes = {str(wire_error(error())["code"]) for error in below(SnapAssetError)}
    for code in codes:
        metrics.ended("paint", "failed", 1, code)
    assert _labels(_samples(metrics), "code") == codes
    assert len(codes) > 20


def test_whatever_comes_the_series_are_bounded(metrics: Metrics) -> None:
    def flood(start: int) -> int:
        for number in range(start, start + 500):
            name = f'made up {number} "\\\n'
            metrics.claimed(name)
            metrics.ended(name, name, number, name)
            metrics.ended("paint", "failed", number, name)
        queues = {f"queue {number}": _queue(1, 2, 3, 4, oldest=number) for number in range(start, start + 500)}
        workers = {f"role {number}": 1 for number in range(start, start + 500)}
        return len(_samples(metrics, Found({"database": True}, queues, workers, 1)))

    assert flood(0) == flood(500) < 300
    samples = _samples(metrics, Found({"database": True}, {"new": _queue(1, 2, 3, 4)}, {"new": 1}, 1))
    assert _labels(samples, "queue") == {"pictures", "letters", OTHER}
    assert _labels(samples, "kind") == {"paint", "crop", "mail", OTHER}
    assert _labels(samples, "code") == {OTHER}
    assert _labels(samples, "role") == {"worker", "api", OTHER}
    assert _labels(samples, "outcome") == {"failed", OTHER}


def test_what_was_found_out_is_told_and_not_kept(metrics: Metrics) -> None:
    queues = {
        "pictures": _queue(1, 2, 3, 4, oldest=2_500, workers=2, unknown=1),
        "strange": _queue(10, 0, 0, 0, oldest=9_000, paused=True, workers=3, unknown=4),
        "stranger": _queue(20, 0, 0, 0, workers=1, unknown=5),
    }
    samples = _samples(metrics, Found({"database": True, "storage": False}, queues, {"worker": 3}, 5))
    told = {status: _value(samples, "jobs", queue="pictures", status=status) for status in QueueDepth._fields[:4]}
    assert told == {"waiting": 1, "delayed": 2, "blocked": 3, "active": 4}
    assert _value(samples, "jobs", queue="letters", status="waiting") == 0
    assert _value(samples, "jobs", queue=OTHER, status="waiting") == 30
    assert _value(samples, "queue_oldest_seconds", queue="pictures") == 2.5
    assert _value(samples, "queue_oldest_seconds", queue="letters") == 0
    assert _value(samples, "queue_oldest_seconds", queue=OTHER) == 9
    for name, of_each in (("queue_workers", (2, 0, 1)), ("queue_paused", (0, 0, 1)), ("jobs_unknown_kind", (1, 0, 9))):
        assert tuple(_value(samples, name, queue=queue) for queue in ("pictures", "letters", OTHER)) == of_each
    assert (_value(samples, "workers", role="worker"), _value(samples, "workers", role="api")) == (3, 0)
    assert (_value(samples, "up", part="database"), _value(samples, "up", part="storage")) == (1, 0)
    assert _value(samples, "streams") == 5

    later = _samples(metrics, Found({"database": False}))
    assert _value(later, "up", part="database") == 0
    told = {name for name, _ in later}
    assert not [name for name in told if name.startswith(("jobs", "queue", "workers", "streams"))]


@pytest.mark.parametrize(
    ("mode", "redis", "up"), [("redis", "ok", 1), ("memory", "down", 0), ("memory", "not configured", None)]
)
def test_mode_and_redis_are_as_the_switch_says(
    metrics: Metrics, switch: Standing, mode: str, redis: str, up: float | None
) -> None:
    switch.mode, switch.redis = mode, redis
    samples = _samples(metrics)
    assert {one: _value(samples, "mode", mode=one) for one in ("redis", "memory")} == {
        "redis": float(mode == "redis"),
        "memory": float(mode == "memory"),
    }
    assert samples.get(("redis_up", frozenset())) == up


def test_deliveries_are_counted(metrics: Metrics) -> None:
    for _ in range(3):
        metrics.delivered()
    assert _value(_samples(metrics), "deliveries_total") == 3


def test_two_of_them_have_nothing_in_common(metrics: Metrics) -> None:
    metrics.claimed("pictures")
    assert _value(_samples(Metrics(CATALOGUE, Standing())), "claims_total", queue="pictures") == 0


def test_nothing_is_told_of_when_counters_were_made(metrics: Metrics) -> None:
    metrics.ended("paint", "failed", 1, "content_policy")
    assert b"_created" not in metrics.text(EMPTY)


def test_the_process_is_told_where_the_system_tells_of_it(metrics: Metrics) -> None:
    told = metrics.process()
    samples = _samples(metrics)
    for name in ("resident_memory_bytes", "open_fds"):
        assert (name in told) == ((f"process_{name}", frozenset()) in samples)
    assert told.get("resident_memory_bytes", 10_000_000) >= 10_000_000
