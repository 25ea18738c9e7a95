"""GET /health/detailed: all that whoever runs the service may want to know, for an admin only.

Hosts and ids of processes are told here, secrets and addresses with secrets in them never: of the settings only those on
a list are told.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any, Final

from server.auth import identify
from server.condition import glance, queue_names, seen_workers
from server.health import answer, overview_body, queue_body, wire_name
from snapasset.errors import MissingUser
from snapasset.event import iso
from snapasset.job_type import Access

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from server.condition import Known
    from server.state import State
    from snapasset.records.workers import WorkerSeen

SETTINGS: Final = (
    "allow_anonymous", "admin_claim", "sqlite_synchronous", "log_level", "live_jobs_per_owner", "job_max_concurrency",
    "retry_base_seconds", "retry_max_seconds", "beat_seconds", "lease_seconds", "presence_seconds", "reconcile_seconds",
    "drain_seconds",
    "spend_cap_usd", "spend_cap_owner_usd", "credits_per_picture",
    "paid_doubt", "openai_backend", "image_quality", "image_previews", "openai_seconds", "redis_probe_seconds", "redis_return_seconds", "fallback_worker", "ring_cap", "ring_drain_seconds",
    "ring_seconds", "keep_completed_hours", "keep_completed_jobs", "keep_failed_days", "keep_failed_jobs",
    "keep_failed_files_days", "cleanup_cron", "cleanup_zone", "health_seconds", "heartbeat_seconds", "stream_retry_ms",
    "stream_age_seconds", "stream_frozen_seconds", "stream_drain_seconds", "connections_max", "connections_per_address", "streams_max", "streams_per_owner",
    "sweep_seconds", "sweep_redis_seconds",
)  # fmt: skip
"""What explains how the service behaves and gives nothing away."""

_REMEMBERED_SECONDS: Final = 600
"""For how long a worker that has fallen silent is shown."""

_LAG_SECONDS: Final = 0.01


async def detailed(request: Request[State]) -> Response:
    """Everything; 401 for who is no admin, 503 when the record is away."""
    identity = await identify(request)
    if identity is None or identity.access < Access.ADMIN:
        raise MissingUser
    state = request.state
    condition, seen, rings, lag = await asyncio.gather(
        glance(state), seen_workers(state, _REMEMBERED_SECONDS), _rings(state), _loop_lag()
    )
    known, switch = condition.known, state["switch"]
    body = {
        **overview_body(state, condition),
        "modeSince": iso(round(switch.mode_since * 1000)),
        "queues": {} if known is None else _queues(state, known, rings),
        "workers": None if known is None or seen is None else [_worker(worker, known) for worker in seen],
        "process": _process(state, lag),
        "streams": {"readers": state["hub"].readers, "waiting": state["hub"].waiting},
        "settings": {wire_name(name): getattr(state["settings"], name) for name in SETTINGS},
    }
    return answer(body, healthy=condition.works)


async def _rings(state: State) -> dict[str, int | None]:
    """How many rings wait, by queue; None where that cannot be told."""
    queues = state["catalogue"].queues
    counts = await asyncio.gather(*(state["switch"].waiting_rings(queue) for queue in queues))
    return dict(zip(queues, counts, strict=True))


async def _loop_lag() -> float:
    """By how many seconds the event loop comes late to what it is to do at a given time."""
    clock = asyncio.get_running_loop().time
    began = clock()
    await asyncio.sleep(_LAG_SECONDS)
    return max(0.0, clock() - began - _LAG_SECONDS)


def _queues(state: State, known: Known, rings: dict[str, int | None]) -> dict[str, dict[str, Any]]:
    return {wire_name(name): _queue(state, known, name, rings.get(name)) for name in queue_names(state, known)}


def _queue(state: State, known: Known, name: str, rings: int | None) -> dict[str, Any]:
    room, depth = known.room(name), known.depth(name)
    return {
        "name": name,
        **queue_body(state, known, name),
        "concurrency": room.concurrency,
        "rateJobs": room.rate_jobs,
        "rateSeconds": None if room.rate_ms is None else room.rate_ms / 1000,
        "room": room.room,
        "oldestSeconds": None if depth.oldest_ms is None else depth.oldest_ms / 1000,
        "rings": rings,
    }


def _worker(worker: WorkerSeen, known: Known) -> dict[str, Any]:
    return {
        "id": worker.id,
        "role": worker.role,
        "host": worker.host,
        "pid": worker.pid,
        "version": worker.version,
        "mode": worker.mode,
        "kinds": list(worker.kinds),
        "queues": list(worker.queues),
        "startedAt": iso(worker.started_at),
        "seenAt": iso(worker.seen_at),
        "alive": any(worker.id == alive.id for alive in known.workers),
        "running": list(worker.running),
    }


def _process(state: State, lag: float) -> dict[str, Any]:
    told = state["metrics"].process()
    memory, files = told.get("resident_memory_bytes"), told.get("open_fds")
    return {
        "pid": os.getpid(),
        "uptime": round(state["life"].uptime, 1),
        "residentBytes": None if memory is None else int(memory),
        "openFiles": None if files is None else int(files),
        "loopLagSeconds": round(lag, 4),
    }
