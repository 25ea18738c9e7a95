"""Whoever stops a process waits longer than its drain takes; whoever starts it asks addresses that there are."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from server.routes import ROUTES
from snapasset.settings import Settings
from tests.deploy.manifests import compose, interpolated, manifest, of_image, pod, railway, readme, seconds

if TYPE_CHECKING:
    from pathlib import Path

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
    said = readme("**Railway**", "\n**Kubernetes**")
    [advised] = re.findall(r"`DRAIN_SECONDS=(\d+)`", said)
    assert int(advised) >= SLOWEST_CALL
    assert railway(name)["deploy"]["drainingSeconds"] >= int(advised) + MARGIN
    [forgotten] = re.findall(r"forgotten `DRAIN_SECONDS` is (\d+)", " ".join(said.split()))
    assert int(forgotten) == Settings.model_fields["drain_seconds"].default


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_no_outage_is_long_enough_to_stop_a_service_for_good(name: str) -> None:
    assert railway(name)["deploy"]["restartPolicyType"] == "ALWAYS"
    assert "restartPolicyMaxRetries" not in railway(name)["deploy"]
    assert all(service["restart"] == "unless-stopped" for service in compose()["services"].values())
    assert pod(name).get("restartPolicy", "Always") == "Always"


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


def test_one_service_of_compose_builds_the_image_and_the_others_never_ask_a_registry_for_it() -> None:
    ours = {name: one for name, one in compose()["services"].items() if one["image"] == "snapasset"}
    assert ours.keys() == set(DEPLOYMENTS)
    assert [name for name, one in compose()["services"].items() if "build" in one] == ["api"]
    assert ours["worker"]["pull_policy"] == "never"


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_in_compose_the_program_is_not_process_1(name: str) -> None:
    assert compose()["services"][name]["init"] is True


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


def test_redis_is_started_by_what_gives_up_root_and_with_the_password_of_its_clients(tmp_path: Path) -> None:
    entrypoint = tmp_path / "docker-entrypoint.sh"
    entrypoint.write_text("#!/bin/sh\nprintf '%s\\n' \"$@\"\n")
    entrypoint.chmod(0o700)
    shell, *words = [interpolated(word, {}) for word in compose()["services"]["redis"]["command"]]
    assert shell == "sh"
    given = {"PATH": str(tmp_path), "REDISCLI_AUTH": "two words"}  # no Redis of this machine can be started instead
    done = subprocess.run(["/bin/sh", *words], cwd=tmp_path, env=given, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    started = done.stdout.splitlines()
    assert started[0] == "redis-server"
    assert started[-2:] == ["--requirepass", "two words"]


def test_everything_has_a_limit_of_memory_and_files_in_common() -> None:
    services = compose()["services"]
    assert all(service["deploy"]["resources"]["limits"]["memory"] for service in services.values())
    assert services["api"]["volumes"] == services["worker"]["volumes"] == ["files:/data"]
