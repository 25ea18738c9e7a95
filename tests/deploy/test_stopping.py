"""Whoever stops a process waits longer than its drain takes; whoever starts it asks addresses that there are."""

from __future__ import annotations

from typing import Any

import pytest

from server.routes import ROUTES
from snapasset.settings import Settings
from tests.deploy.manifests import compose, manifest, of_image, pod, railway, seconds

MARGIN = 30
"""Seconds after the drain for giving jobs back and closing every part."""

SLOWEST_CALL = 300
"""Seconds that a paid call may take: drains are to be longer than that, or equal."""

DEPLOYMENTS = ["api", "worker"]


def drain(environment: dict[str, Any]) -> float:
    return Settings.model_validate({"drain_seconds": environment["DRAIN_SECONDS"]}).drain_seconds


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_compose_waits_for_the_drain(name: str) -> None:
    service = compose()["services"][name]
    assert drain(service["environment"]) >= SLOWEST_CALL
    assert seconds(service["stop_grace_period"]) >= drain(service["environment"]) + MARGIN


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_kubernetes_waits_for_the_drain(name: str) -> None:
    lasts = drain(manifest("configmap")["data"])
    before = pod(name)["containers"][0].get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
    assert lasts >= SLOWEST_CALL
    assert pod(name)["terminationGracePeriodSeconds"] >= before + lasts + MARGIN


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_railway_waits_for_the_drain_that_the_readme_advises(name: str) -> None:
    assert railway(name)["deploy"]["drainingSeconds"] >= max(SLOWEST_CALL, Settings().drain_seconds) + MARGIN


def test_the_image_is_stopped_by_the_signal_that_begins_the_drain() -> None:
    assert of_image("STOPSIGNAL") == ["SIGTERM"]


def paths() -> list[str]:
    """All that the deployments ask for."""
    found = [
        probe["httpGet"]["path"]
        for name in DEPLOYMENTS
        for key, probe in pod(name)["containers"][0].items()
        if key.endswith("Probe")
    ]
    found.append(railway("api")["deploy"]["healthcheckPath"])
    found += [word.strip('"').partition("}")[2] for word in of_image("HEALTHCHECK")[0].split() if "http://" in word]
    return found


def test_every_health_path_is_served() -> None:
    assert len(paths()) == 3 + 3 + 1 + 2
    assert {"/health/live", "/health/ready"} == set(paths()) <= {route.path for route in ROUTES}


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_probes_tell_life_from_readiness(name: str) -> None:
    container = pod(name)["containers"][0]
    asked = {key: container[key]["httpGet"]["path"] for key in ("startupProbe", "livenessProbe", "readinessProbe")}
    live, ready = "/health/live", "/health/ready"  # to be restarted while the database is away would help nobody
    assert asked == {"startupProbe": live, "livenessProbe": live, "readinessProbe": ready}
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert {ports[container[key]["httpGet"]["port"]] for key in asked} == {8000 if name == "api" else 8001}


def test_compose_starts_what_others_need_first() -> None:
    services = compose()["services"]
    for name in DEPLOYMENTS:
        healthy = {"condition": "service_healthy"}
        assert services[name]["depends_on"] == {"redis": healthy, "postgres": healthy}
    assert all(services[name]["healthcheck"]["test"] for name in ("redis", "postgres"))


def test_compose_can_run_many_workers() -> None:
    worker = compose()["services"]["worker"]
    assert not worker.keys() & {"container_name", "ports", "hostname"}


def test_railway_starts_a_worker_from_the_same_image() -> None:
    assert railway("worker")["build"] == railway("api")["build"]
    assert railway("worker")["deploy"]["startCommand"] == "python -m worker"
    assert "healthcheckPath" not in railway("worker")["deploy"]


def test_redis_keeps_what_it_was_given_and_forgets_nothing() -> None:
    command = " ".join(compose()["services"]["redis"]["command"])
    assert "--appendonly yes" in command
    assert "--maxmemory-policy noeviction" in command


def test_everything_has_a_limit_of_memory_and_files_in_common() -> None:
    services = compose()["services"]
    assert all(service["deploy"]["resources"]["limits"]["memory"] for service in services.values())
    assert services["api"]["volumes"] == services["worker"]["volumes"] == ["files:/data"]
