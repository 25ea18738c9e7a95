"""What is done to a server of streams, whichever it is, and what is measured of it."""

from __future__ import annotations

import time
from collections import defaultdict
from contextlib import closing
from typing import TYPE_CHECKING, Final, NamedTuple

from bench.report import percentile
from bench.sse_crowd import Crowd, connected, reset
from bench.sse_systems import Publishing

if TYPE_CHECKING:
    from bench.sse_systems import Cores, Served, System

RECEIVE_BYTES: Final = 4_096
_LOOKED_AT: Final = 10
_SETTLE_SECONDS: Final = 2.0
_WARM_SECONDS: Final = 1.0
_LATE_SECONDS: Final = 10.0
_POLL: Final = 0.001


class Idle(NamedTuple):
    """Readers that are there: how quickly they came (a second), and what each costs the server (KB)."""

    connects: float
    kb: float
    busy: str


class Deliveries(NamedTuple):
    """Events a second that reached a reader, how many of them one call that writes carried, and readers that got others."""

    per_second: float
    a_write: float
    faults: int
    busy: str


class Steady(NamedTuple):
    """Seconds until an event is there; readers with other events than they should have; growth (MB).

    They count from the moment before the publisher is told, by a socket, to the moment after the reader's bytes are taken
    in, whichever system it is. So ours has its commit in it, and where it uses Redis the way through it as well.
    """

    p50: float
    p99: float
    faults: int
    growth: float
    busy: str


def idle(system: System, cores: Cores, readers: int, topics: int) -> Idle:
    """Connect so many readers to so many topics; where it is one, it is watched already and its publisher runs."""
    with system.serve(Publishing(topics, lanes=1 if topics == 1 else 0), cores) as served:
        time.sleep(_SETTLE_SECONDS)
        with closing(Crowd(served)) as crowd:
            if topics == 1:
                crowd.join(served.topics)
            rss, before = served.rss_kb(), served.usage()
            connects = crowd.join(served.topics[number % topics] for number in range(readers))
            busy = served.usage().since(before).busy(readers)
            until = time.monotonic() + _SETTLE_SECONDS
            while time.monotonic() < until:
                crowd.read(0.1)
            return Idle(connects, (served.rss_kb() - rss) / readers, busy)


def fan_out(system: System, cores: Cores, readers: int, window: int, seconds: float) -> Deliveries:
    """One topic: a further event is published as soon as fewer than `window` have not reached all readers."""
    with system.serve(Publishing(1, lanes=window), cores) as served, closing(Crowd(served)) as crowd:
        (topic,) = served.topics
        crowd.join([topic] * readers, looked_at=_LOOKED_AT)
        told = _publish(served, crowd, topic, window, 0, time.monotonic() + _WARM_SECONDS)
        events, before = crowd.events, served.usage()
        told = _publish(served, crowd, topic, window, told, time.monotonic() + seconds)
        used, came = served.usage().since(before), crowd.events - events
        crowd.read_until(told * readers, time.monotonic() + _LATE_SECONDS)
        a_write = came / used.writes if used.writes else 0.0
        return Deliveries(came / used.at, a_write, crowd.faults(told), used.busy(came))


def _publish(served: Served, crowd: Crowd, topic: str, window: int, told: int, until: float) -> int:
    readers = len(crowd)
    while time.monotonic() < until:
        while told - crowd.events // readers < window:
            served.publish(topic)
            told += 1
        crowd.read(0.1)
    return told


def steady(system: System, cores: Cores, topics: int, per_second: float, seconds: float) -> Steady:
    """So many topics with a reader each, and so many events a second spread over them."""
    with system.serve(Publishing(topics, lanes=1), cores) as served, closing(Crowd(served)) as crowd:
        crowd.join(served.topics, looked_at=_LOOKED_AT)
        return _at_rate(served, crowd, per_second, seconds)


def beside_frozen(system: System, cores: Cores, frozen: int, per_second: float, seconds: float, pad: int) -> Steady:
    """One topic with 50 readers that read, and so many that never do; long events."""
    with system.serve(Publishing(1, lanes=4, pad=pad), cores) as served, closing(Crowd(served)) as crowd:
        (topic,) = served.topics
        stuck = [connected(served, topic, receive=RECEIVE_BYTES) for _ in range(frozen)]
        crowd.join([topic] * 50, looked_at=_LOOKED_AT)
        _at_rate(served, crowd, per_second, _WARM_SECONDS)
        found = _at_rate(served, crowd, per_second, seconds)
        for sock in stuck:
            reset(sock)
        return found


def _at_rate(served: Served, crowd: Crowd, per_second: float, seconds: float) -> Steady:
    """Publish at this rate whether or not anything arrives."""
    told = crowd.told = crowd.told or defaultdict(list)
    crowd.took.clear()
    topics, a_topic = len(served.topics), len(crowd) // len(served.topics)
    due, rss, before = round(per_second * seconds), served.rss_kb(), served.usage()
    expected = crowd.events + due * a_topic
    most, begun = rss, time.monotonic()
    for number in range(due):
        while (wait := begun + number / per_second - time.monotonic()) > 0:
            crowd.read(min(wait, _POLL))
        topic = served.topics[number % topics]
        told[topic].append(time.monotonic())
        served.publish(topic)
        crowd.read(0)
        if number % 100 == 0:
            most = max(most, served.rss_kb())
    used = served.usage().since(before)
    crowd.read_until(expected, time.monotonic() + _LATE_SECONDS)
    most = max(most, served.rss_kb())
    faults = crowd.faults(len(told[served.topics[0]]))
    return Steady(percentile(crowd.took, 50), percentile(crowd.took, 99), faults, (most - rss) / 1000, used.busy())
