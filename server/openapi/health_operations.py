"""How the service is, and what it counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.openapi.building import TEXT, answer, operation
from server.openapi.kinds import ref
from server.openapi.parts import ADMIN, ANYBODY, CHANGING, METRICS, refusals

if TYPE_CHECKING:
    from server.openapi.building import Operation, Paths


def health_operations() -> Paths:
    """Ask how the service is."""
    return {
        "/health": {"get": _health("getHealth", "How the service is", "Health")},
        "/health/live": {"get": _live()},
        "/health/ready": {"get": _health("getReadiness", "Whether new requests are welcome here", "Readiness")},
        "/health/detailed": {"get": _detailed()},
        "/metrics": {"get": _metrics()},
        "/api/queues/{queue}/resume": {"post": _resume()},
    }


def _health(name: str, summary: str, schema: str) -> Operation:
    answers = {"200": answer("Well enough.", ref(schema)), "503": answer("Not now.", ref(schema))}
    return operation(name, "Service", summary, {**answers, **refusals()}, security=ANYBODY)


def _live() -> Operation:
    answers = {"200": answer("It lives.", ref("Liveness")), "503": answer("Start it anew.", ref("Liveness"))}
    summary = "Whether all runs that must run in the process"
    return operation("getLiveness", "Service", summary, {**answers, **refusals()}, security=ANYBODY)


def _detailed() -> Operation:
    told = ref("HealthDetails")
    answers = {"200": answer("Well enough.", told), "503": answer("Not now.", told)}
    responses = {**answers, **refusals("invalid_input", "missing_user")}
    return operation("getHealthDetails", "Service", "All there is to know of it", responses, security=ADMIN)


def _resume() -> Operation:
    responses = {"200": answer("It goes on.", ref("QueueState")), **refusals(*CHANGING, "not_found")}
    return operation("resumeQueue", "Service", "Have a paused queue go on", responses, ("Queue",), security=ADMIN)


def _metrics() -> Operation:
    told = {"description": "In Prometheus's text format.", "content": {"text/plain": {"schema": TEXT}}}
    responses = {"200": told, **refusals("not_found")}
    summary = "Figures for Prometheus: with a token, or from this machine where METRICS_TOKEN is not set"
    return operation("getMetrics", "Service", summary, responses, security=METRICS)
