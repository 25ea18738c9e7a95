"""What this process counts, and all of it as Prometheus reads it.

Counters live in the process, in a registry of their own. What only the record knows is handed in anew with each scrape
and never kept: a depth from before would be taken for one of now, so while the record is away there is none.

Every label has its values from the catalogue, the tree of errors or a list in this file, and whatever is none of those is
`other`: the number of series is bounded, whatever stands in the record.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics import Counter, Histogram
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector, CollectorRegistry

from snapasset.errors import SnapAssetError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from prometheus_client.metrics_core import Metric

    from snapasset.job_type import Catalogue
    from snapasset.records.jobs import QueueDepth

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4
OTHER: Final = "other"

OUTCOMES: Final = ("completed", "failed", "retried", "cancelled", "given_back", "lost")
"""How an attempt can end."""

MODES: Final = ("redis", "memory")
ROLES: Final = ("worker", "api")
_UNENDED: Final = ("waiting", "delayed", "blocked", "active")

_BUCKETS: Final = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0)
"""From an attempt that does nothing to one that is ended for taking too long."""

_BIRTHS: Final = "_created"


class SwitchView(Protocol):
    """Who knows whether Redis is in use: the switch."""

    @property
    def mode(self) -> str:
        """`redis` or `memory`."""
        ...

    @property
    def redis(self) -> str:
        """`ok`, `down` or `not configured`."""
        ...


class QueueFound(NamedTuple):
    """A queue. `workers`: the live processes that take its jobs; `unknown`: its ready jobs of kinds not known here."""

    depth: QueueDepth
    paused: bool
    workers: int
    unknown: int


class Found(NamedTuple):
    """What was found out for one scrape. None: not known now, or not of this process."""

    up: Mapping[str, bool]
    queues: Mapping[str, QueueFound] | None = None
    workers: Mapping[str, int] | None = None
    streams: int | None = None


class Metrics:
    """The counters of one process."""

    def __init__(self, catalogue: Catalogue, switch: SwitchView) -> None:
        self._switch = switch
        self._queues = _Bound(catalogue.queues)
        self._kinds = _Bound([job_type.kind for job_type in catalogue])
        self._codes = _Bound(_codes(SnapAssetError))
        self._registry = CollectorRegistry(auto_describe=False)
        self._process = ProcessCollector(registry=self._registry)
        self._claims = self._counter("claims", "Jobs that were claimed here.", "queue")
        self._retries = self._counter("retries", "Attempts after which the job is tried again.", "kind")
        self._failures = self._counter(
            "failures", "Attempts that ended in an error, whether tried again or not.", "kind", "code"
        )
        self._deliveries = self._counter("deliveries", "Events and ticks handed to readers of streams.")
        self._catch_ups = self._counter("catch_ups", "Times a reader of a stream had to be brought up by itself.")
        self._frozen = self._counter("frozen", "Readers of streams that were cut because they took nothing.")
        self._attempts = Histogram(
            "snapasset_attempt_seconds",
            "How long attempts took.",
            ("kind", "outcome"),
            buckets=_BUCKETS,
            registry=self._registry,
        )
        # From the first scrape on, so that the first claim and the first retry are seen as a rise.
        for queue in self._queues.names:
            self._claims.labels(queue)
        for kind in self._kinds.names:
            self._retries.labels(kind)
        # Looked up for each job, which costs more than to count; there are as many as there are values of their labels.
        self._claims_of = cache(self._claims.labels)
        self._attempts_of = cache(self._attempts.labels)

    def claimed(self, queue: str) -> None:
        """A job of this queue was claimed."""
        self._claims_of(self._queues(queue)).inc()

    def ended(self, kind: str, outcome: str, seconds: float, code: str | None = None) -> None:
        """An attempt ended as one of `OUTCOMES`, with the code of its error if it had one."""
        kind = self._kinds(kind)
        self._attempts_of(kind, _OUTCOMES(outcome)).observe(seconds)
        if outcome == "retried":
            self._retries.labels(kind).inc()
        if code is not None:
            self._failures.labels(kind, self._codes(code)).inc()

    def delivered(self, count: int = 1) -> None:
        """So many pieces of news were handed to one reader each."""
        self._deliveries.inc(count)

    def fell_behind(self) -> None:
        """A reader of a stream has to be brought up by itself."""
        self._catch_ups.inc()

    def froze(self) -> None:
        """A reader of a stream was cut, because it took nothing for too long."""
        self._frozen.inc()

    def process(self) -> dict[str, float]:
        """What the system says of this process: `resident_memory_bytes`, `open_fds` and more; nothing where it does not."""
        return {
            metric.name.removeprefix("process_"): sample.value
            for metric in self._process.collect()
            for sample in metric.samples
        }

    def text(self, found: Found) -> bytes:
        """All of it, of the type `CONTENT_TYPE`; `found` is what was found out for this scrape."""
        families = (*_of_switch(self._switch), *self._of_service(found))
        return generate_latest(_Scrape(self._registry, families))

    def _counter(self, name: str, says: str, *labels: str) -> Counter:
        return Counter(f"snapasset_{name}", says, labels, registry=self._registry)

    def _of_service(self, found: Found) -> Iterator[Metric]:
        up = _gauge("up", "Whether a part of the service answers.", "part")
        for part, well in found.up.items():
            up.add_metric((part,), float(well))
        yield up
        if found.streams is not None:
            yield _gauge("streams", "Streams that are being read.", value=found.streams)
        if found.queues is not None:
            yield from self._of_queues(found.queues)
        if found.workers is not None:
            yield _by_label("workers", "Processes that are alive.", "role", _fold(found.workers, _ROLES, ROLES))

    def _of_queues(self, queues: Mapping[str, QueueFound]) -> Iterator[Metric]:
        """Of queues that are not in the catalogue all are one: their counts are added up, the rest is of the worst."""
        jobs = {(queue, status): 0 for queue in self._queues.names for status in _UNENDED}
        unknown, workers = (dict.fromkeys(self._queues.names, 0) for _ in range(2))
        paused, oldest = (dict.fromkeys(self._queues.names, 0.0) for _ in range(2))
        for queue, found in queues.items():
            name = self._queues(queue)
            for status in _UNENDED:
                jobs[name, status] = jobs.get((name, status), 0) + getattr(found.depth, status)
            unknown[name] = unknown.get(name, 0) + found.unknown
            workers[name] = min(workers.get(name, found.workers), found.workers) if name == OTHER else found.workers
            paused[name] = max(paused.get(name, 0.0), float(found.paused))
            oldest[name] = max(oldest.get(name, 0.0), (found.depth.oldest_ms or 0) / 1000)
        family = _gauge("jobs", "Jobs that have not ended.", "queue", "status")
        for labels, count in jobs.items():
            family.add_metric(labels, count)
        yield family
        yield _by_label("jobs_unknown_kind", "Ready jobs of kinds that this process does not know.", "queue", unknown)
        yield _by_label("queue_workers", "Live processes that take jobs of a queue.", "queue", workers)
        yield _by_label("queue_paused", "1 while nobody may claim from a queue.", "queue", paused)
        says = "Age of the oldest ready job of a kind that is known here; 0: there is none."
        yield _by_label("queue_oldest_seconds", says, "queue", oldest)


class _Bound:
    """The values that a label may have."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = tuple(dict.fromkeys(names))

    def __call__(self, name: str) -> str:
        """The name itself, or `other`."""
        return name if name in self.names else OTHER


class _Scrape(Collector):
    """Counters and what was found out, without the times at which counters were made: as many series again, of no use."""

    def __init__(self, registry: CollectorRegistry, families: Iterable[Metric]) -> None:
        self._registry = registry
        self._families = families

    def collect(self) -> Iterator[Metric]:
        yield from self._families
        for metric in self._registry.collect():
            metric.samples = [sample for sample in metric.samples if not sample.name.endswith(_BIRTHS)]
            yield metric


_OUTCOMES: Final = _Bound(OUTCOMES)
_ROLES: Final = _Bound(ROLES)


def _of_switch(switch: SwitchView) -> Iterator[Metric]:
    mode = _gauge("mode", "1 for the mode that is in use.", "mode")
    for one in MODES:
        mode.add_metric((one,), float(switch.mode == one))
    yield mode
    if switch.redis != "not configured":
        yield _gauge("redis_up", "Whether Redis can be used.", value=float(switch.redis == "ok"))


def _gauge(name: str, says: str, *labels: str, value: float | None = None) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"snapasset_{name}", says, value, labels or None)


def _by_label(name: str, says: str, label: str, values: Mapping[str, float]) -> GaugeMetricFamily:
    family = _gauge(name, says, label)
    for one, value in values.items():
        family.add_metric((one,), value)
    return family


def _fold(counts: Mapping[str, int], bound: _Bound, always: Iterable[str]) -> dict[str, int]:
    folded = dict.fromkeys(always, 0)
    for name, count in counts.items():
        folded[bound(name)] = folded.get(bound(name), 0) + count
    return folded


def _codes(error: type[SnapAssetError]) -> Iterator[str]:
    yield error.code
    for child in error.__subclasses__():
        yield from _codes(child)
