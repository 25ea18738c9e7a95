"""What the deployments set is what the settings read, in words they take; secrets and consent come from the operator."""

from __future__ import annotations

from typing import Any

import pytest

from server.__main__ import check_reach
from snapasset.errors import BadConfiguration
from snapasset.settings import Settings, read_settings
from tests.deploy.manifests import Unset, compose, image_environment, interpolated, manifest, pod

KNOWN = {name.upper() for name in Settings.model_fields}
OF_PYTHON = {"PATH", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE"}
GIVEN = {"POSTGRES_PASSWORD": "letters1", "REDIS_PASSWORD": "letters2", "ALLOW_ANONYMOUS": "1"}


def of_compose(service: str, given: dict[str, str]) -> dict[str, str]:
    """What a service of the Compose file gets, the image's own variables included."""
    set_there = compose()["services"][service]["environment"]
    return image_environment() | {name: interpolated(value, given) for name, value in set_there.items()}


def of_kubernetes(deployment: str) -> dict[str, str]:
    """What a pod gets, from the image, the sources that it names, and by itself."""
    sources: dict[str, Any] = {
        "configMapRef": manifest("configmap"),
        "secretRef": manifest("secret.example"),
    }
    environment = image_environment()
    container = pod(deployment)["containers"][0]
    for source in container["envFrom"]:
        [(kind, reference)] = source.items()
        assert reference["name"] == sources[kind]["metadata"]["name"]
        environment |= sources[kind].get("data") or sources[kind]["stringData"]
    return environment | {one["name"]: one["value"] for one in container.get("env", ())}


def settings_from(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name in KNOWN:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for name in environment.keys() - OF_PYTHON:
        monkeypatch.setenv(name, environment[name])
    return read_settings()


ENVIRONMENTS = {
    "image": image_environment(),
    "compose api": of_compose("api", GIVEN),
    "compose worker": of_compose("worker", GIVEN),
    "kubernetes api": of_kubernetes("api"),
    "kubernetes worker": of_kubernetes("worker"),
}


@pytest.mark.parametrize("place", ENVIRONMENTS)
def test_every_variable_is_a_setting(place: str) -> None:
    assert not ENVIRONMENTS[place].keys() - OF_PYTHON - KNOWN


@pytest.mark.parametrize("place", ENVIRONMENTS)
def test_every_value_is_one_that_the_settings_take(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_from(ENVIRONMENTS[place], monkeypatch)
    assert (settings.host, settings.port, settings.worker_port) == ("0.0.0.0", 8000, 8001)
    assert settings.data_dir.as_posix() == "/data"


@pytest.mark.parametrize("place", [place for place in ENVIRONMENTS if place != "image"])
def test_many_processes_share_a_database_and_redis(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_from(ENVIRONMENTS[place], monkeypatch)
    assert settings.database_url is not None
    assert settings.redis_url is not None or settings.redis_host is not None


@pytest.mark.parametrize("place", ["image", "kubernetes api"])
def test_nobody_is_let_in_unasked(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_from(ENVIRONMENTS[place], monkeypatch)
    with pytest.raises(BadConfiguration, match="ALLOW_ANONYMOUS"):
        check_reach(settings)
    check_reach(settings_from(ENVIRONMENTS[place] | {"ALLOW_ANONYMOUS": "1"}, monkeypatch))


@pytest.mark.parametrize("name", GIVEN)
@pytest.mark.parametrize("service", ["api", "worker"])
def test_compose_does_not_start_without_what_only_the_operator_can_say(service: str, name: str) -> None:
    with pytest.raises(Unset, match=name):
        of_compose(service, GIVEN | {name: ""})


def test_compose_has_no_password_of_its_own() -> None:
    for name, service in compose()["services"].items():
        for variable, value in service["environment"].items():
            if any(word in variable for word in ("PASSWORD", "SECRET", "TOKEN", "AUTH", "URL")):
                plain = interpolated(
                    value, dict.fromkeys(GIVEN, "") | {"POSTGRES_PASSWORD": "A", "REDIS_PASSWORD": "A"}
                )
                assert "A" in plain or not plain, f"{name}: {variable}"
                assert "${" in value, f"{name}: {variable}"


def test_pods_are_not_told_of_services_by_variables() -> None:
    assert [pod(name)["enableServiceLinks"] for name in ("api", "worker")] == [False, False]


def test_a_worker_answers_probes_that_come_from_outside_its_pod(monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings_from(ENVIRONMENTS["kubernetes worker"], monkeypatch).worker_host == "0.0.0.0"
