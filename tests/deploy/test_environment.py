"""What the deployments set is what the settings read, in words they take; secrets and consent come from the operator."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from server.__main__ import check_reach
from snapasset.errors import BadConfiguration
from snapasset.metrics_access import may_read_metrics
from snapasset.queue.redis_address import RedisAddress
from snapasset.settings import Settings, read_settings
from tests.deploy.manifests import Unset, compose, image_environment, interpolated, manifest, pod, readme

if TYPE_CHECKING:
    from pathlib import Path

KNOWN = {name.upper() for name in Settings.model_fields}
OF_OTHERS = {"PATH", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE", "KEDA_DATABASE_URL"}
"""Variables that Python reads, or KEDA."""

PLACEHOLDER = "CHANGE-ME"
FILLED = {
    "DATABASE_URL": "postgresql://snapasset:letters@postgres.data.svc/snapasset",
    "KEDA_DATABASE_URL": "postgresql://keda:letters@postgres.data.svc/snapasset",
    "REDIS_URL": "redis://:letters@redis.data.svc:6379/0",
    "SIGNING_SECRET": "s" * 43,
    "METRICS_TOKEN": "m" * 43,
    "ADMIN_TOKEN": "a" * 43,
}
"""The example of a secret, with values of one's own."""

GIVEN = {"POSTGRES_PASSWORD": "letters1", "REDIS_PASSWORD": "letters2", "ALLOW_ANONYMOUS": "1"}


def of_compose(service: str, given: dict[str, str]) -> dict[str, str]:
    """What a service of the Compose file gets, the image's own variables included."""
    set_there = compose()["services"][service]["environment"]
    return image_environment() | {name: interpolated(value, given) for name, value in set_there.items()}


def of_kubernetes(deployment: str, secret: dict[str, str]) -> dict[str, str]:
    """What a pod gets, from the image, the sources that it names, and by itself; `secret`: how the example was edited."""
    sources: dict[str, Any] = {
        "configMapRef": manifest("configmap"),
        "secretRef": manifest("secret.example"),
    }
    sources["secretRef"]["stringData"] |= secret
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
    for name in environment.keys() - OF_OTHERS:
        monkeypatch.setenv(name, environment[name])
    return read_settings()


ENVIRONMENTS = {
    "image": image_environment(),
    "compose api": of_compose("api", GIVEN),
    "compose worker": of_compose("worker", GIVEN),
    "kubernetes api": of_kubernetes("api", FILLED),
    "kubernetes worker": of_kubernetes("worker", FILLED),
}


@pytest.mark.parametrize("place", ENVIRONMENTS)
def test_every_variable_is_a_setting(place: str) -> None:
    assert not ENVIRONMENTS[place].keys() - OF_OTHERS - KNOWN


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


def refusal(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> str:
    """How the start with these variables is refused, before anything is asked for."""
    with pytest.raises(BadConfiguration) as refused:
        RedisAddress.from_settings(settings_from(environment, monkeypatch))
    return refused.value.detail


def test_every_value_of_the_secret_is_one_to_be_changed() -> None:
    assert manifest("secret.example")["stringData"] == dict.fromkeys(FILLED, PLACEHOLDER)


@pytest.mark.parametrize("deployment", ["api", "worker"])
def test_the_unedited_secret_is_refused_by_the_names_of_its_variables(
    deployment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = refusal(of_kubernetes(deployment, {}), monkeypatch)
    for name in ("DATABASE_URL", "SIGNING_SECRET", "METRICS_TOKEN", "ADMIN_TOKEN"):
        assert f"{name}: " in said
    assert PLACEHOLDER not in said


@pytest.mark.parametrize("name", [name for name in FILLED if name != "KEDA_DATABASE_URL"])
def test_one_forgotten_line_of_the_secret_is_refused_by_its_name(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    said = refusal(of_kubernetes("api", FILLED | {name: PLACEHOLDER}), monkeypatch)
    assert [variable for variable in FILLED if variable in said] == [name]
    assert PLACEHOLDER not in said


def test_pods_are_not_told_of_services_by_variables() -> None:
    assert [pod(name)["enableServiceLinks"] for name in ("api", "worker")] == [False, False]


@pytest.mark.parametrize("place", ["compose worker", "kubernetes worker"])
def test_a_worker_answers_who_asks_from_outside_its_container(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings_from(ENVIRONMENTS[place], monkeypatch).worker_host == "0.0.0.0"


@pytest.mark.parametrize("service", ["api", "worker"])
def test_metrics_of_compose_are_read_with_the_token_that_the_operator_gives(
    service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = "t" * 32
    settings = settings_from(of_compose(service, GIVEN | {"METRICS_TOKEN": token}), monkeypatch)
    assert may_read_metrics(settings, [("authorization", f"Bearer {token}")], loopback=False)
    assert not may_read_metrics(settings, [], loopback=False)
    assert settings_from(of_compose(service, GIVEN), monkeypatch).metrics_token is None


def test_metrics_have_ports_with_names_and_a_token_in_kubernetes() -> None:
    ports = {
        name: {one["name"]: one["containerPort"] for one in pod(name)["containers"][0]["ports"]}
        for name in ("api", "worker")
    }
    assert ports == {"api": {"http": 8000}, "worker": {"metrics": 8001}}
    assert "METRICS_TOKEN" in manifest("secret.example")["stringData"]
    said = readme("**Kubernetes**")
    assert all(f"`{port}`" in said for named in ports.values() for port in named)


def commands(begin: str, end: str = "\n## ") -> str:
    """The first block of commands in this part of the README."""
    return readme(begin, end).partition("```sh\n")[2].partition("```")[0]


def test_the_commands_for_compose_make_its_variables_once(tmp_path: Path) -> None:
    before, start, _ = commands("**Docker Compose**", "**Railway**").partition("docker compose up")
    assert start
    path = tmp_path / ".env"

    def run() -> dict[str, str]:
        subprocess.run(["/bin/sh", "-euc", before], cwd=tmp_path, check=True, capture_output=True)
        return dict(line.split("=", 1) for line in path.read_text("utf-8").splitlines())

    made = run()
    assert path.stat().st_mode & 0o077 == 0
    assert GIVEN.keys() <= made.keys()
    assert of_compose("api", made)["DATABASE_URL"].startswith("postgresql://")
    assert all(value.isalnum() for value in made.values())
    assert run() == made
    path.write_text("POSTGRES_PASSWORD=mine\n")
    assert run() == {"POSTGRES_PASSWORD": "mine"}


def test_the_commands_for_kubernetes_overwrite_no_secret_and_make_the_namespace_first(tmp_path: Path) -> None:
    lines = commands("**Kubernetes**").splitlines()
    [copy] = [line for line in lines if " cp " in line]
    here = tmp_path / "here"
    (here / "deploy" / "kubernetes").mkdir(parents=True)
    (here / "deploy" / "kubernetes" / "secret.example.yaml").write_text("example")
    for held in ("example", "edited"):
        subprocess.run(["/bin/sh", "-euc", copy], cwd=here, check=True)
        assert (tmp_path / "secret.yaml").read_text() == held
        (tmp_path / "secret.yaml").write_text("edited")
    asked = [line.split() for line in lines if line.startswith("kubectl")]
    assert asked[0] == ["kubectl", "create", "namespace", "snapasset"]
    assert [words[:4] for words in asked[1:]] == [["kubectl", "apply", "-n", "snapasset"]] * 2
