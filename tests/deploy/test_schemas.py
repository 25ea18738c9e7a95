"""The files of the deployments are what their readers' schemas ask for; each schema also refuses what is wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.manifests import KUBERNETES, MANIFESTS, RAILWAY, ROOT, compose, manifest, railway, read_yaml

SCHEMAS = Path(__file__).parent / "schemas"
PROGRAMS = Path(sys.executable).parent
COMPOSE = ["--builtin-schema", "vendor.compose-spec"]
OURS = {name: ["--schemafile", str(SCHEMAS / f"{name}.schema.json")] for name in ("railway", "keda")}

OLDEST, NEWEST = "1.30", "1.37"
"""Of Kubernetes: the oldest has `lifecycle.preStop.sleep` on by default."""

_KEDA = "keda.sh/v1alpha1"
_KUSTOMIZATION = "kustomization.yaml"


def check(schema: list[str], path: Path) -> tuple[bool, str]:
    """Whether a file fits a schema, and what is said of it."""
    done = subprocess.run(
        [PROGRAMS / "check-jsonschema", *schema, path], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode in (0, 1), done.stderr
    return done.returncode == 0, done.stdout + done.stderr


def check_kubernetes(version: str, *paths: Path) -> tuple[bool, str]:
    words = [PROGRAMS / "kubernetes-validate", "--strict", "--kubernetes-version", version, *paths]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    return done.returncode == 0 and said.count(" passed for resource ") == len(paths), said


def plain_manifests() -> list[Path]:
    """Those of Kubernetes itself."""
    ours = [path for path in MANIFESTS if path.name != _KUSTOMIZATION]
    return [path for path in ours if read_yaml(path)["apiVersion"] != _KEDA]


def broken(tmp_path: Path, document: Any) -> Path:
    path = tmp_path / "docker-compose.yaml"
    path.write_text(yaml.safe_dump(document) if not isinstance(document, str) else document)
    return path


def test_compose() -> None:
    fits, said = check(COMPOSE, ROOT / "docker-compose.yml")
    assert fits, said


def test_a_misspelt_key_of_compose_is_found(tmp_path: Path) -> None:
    document = compose()
    document["services"]["api"]["stop_grace_periode"] = "6m"
    assert not check(COMPOSE, broken(tmp_path, document))[0]


@pytest.mark.parametrize("name", RAILWAY)
def test_railway(name: str) -> None:
    fits, said = check(OURS["railway"], RAILWAY[name])
    assert fits, said


@pytest.mark.parametrize(
    ("field", "value"), [("drainingSeconds", "360"), ("healthcheckPath", "health"), ("draining", 360)]
)
def test_railway_with_a_wrong_field_is_found(tmp_path: Path, field: str, value: object) -> None:
    document = railway("api")
    document["deploy"][field] = value
    path = tmp_path / "railway.json"
    path.write_text(json.dumps(document))
    assert not check(OURS["railway"], path)[0]


@pytest.mark.parametrize("name", ["scaling", "scaling-access"])
def test_keda(name: str) -> None:
    fits, said = check(OURS["keda"], KUBERNETES / f"{name}.yaml")
    assert fits, said


@pytest.mark.parametrize(("field", "value"), [("minReplicas", 1), ("maxReplicaCount", "10"), ("triggers", [])])
def test_keda_with_a_wrong_field_is_found(tmp_path: Path, field: str, value: object) -> None:
    document = manifest("scaling")
    document["spec"][field] = value
    assert not check(OURS["keda"], broken(tmp_path, document))[0]


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_kubernetes(version: str) -> None:
    paths = plain_manifests()
    assert {"api.yaml", "worker.yaml", "secret.example.yaml"} <= {path.name for path in paths}
    fits, said = check_kubernetes(version, *paths)
    assert fits, said


def test_a_misspelt_key_of_kubernetes_is_found(tmp_path: Path) -> None:
    document = manifest("worker")
    document["spec"]["template"]["spec"]["terminationGraceSeconds"] = 360
    assert not check_kubernetes(NEWEST, broken(tmp_path, document))[0]


def test_every_manifest_is_validated_and_applied() -> None:
    kinds = {path.name: read_yaml(path)["kind"] for path in MANIFESTS}
    resources = manifest("kustomization")["resources"]
    assert sorted(resources) == sorted(kinds.keys() - {_KUSTOMIZATION, "secret.example.yaml"})
    by_keda = {name for name, kind in kinds.items() if kind in ("ScaledObject", "TriggerAuthentication")}
    assert by_keda | {path.name for path in plain_manifests()} | {_KUSTOMIZATION} == kinds.keys()
    assert by_keda == {"scaling.yaml", "scaling-access.yaml"}


def test_no_manifest_names_a_namespace() -> None:
    assert not [path.name for path in MANIFESTS if "namespace" in read_yaml(path).get("metadata", {})]
