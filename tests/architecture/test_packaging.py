"""What is declared agrees with what is there: packages with the tree, pins with ranges, and one .venv fits all."""

from __future__ import annotations

import re
import tomllib
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import pytest
from packaging.requirements import Requirement

from tests.architecture.tree import ROOT, project_files

if TYPE_CHECKING:
    from collections.abc import Iterator

SETUP = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]
SHIPPED = [path for path in project_files() if path.startswith(("snapasset/", "worker/", "server/"))]
GROUPS = ["uv", "runtime", "dev"]
NOT_SHIPPED = {"worker/railway.json"}
"""What lies in a package for others to find it there: the platform it is for wants a file for each service."""


def asked_for(group: str) -> Iterator[Requirement]:
    for line in (ROOT / "requirements" / f"{group}.in").read_text("utf-8").splitlines():
        wanted = line.split("#")[0].strip()
        if wanted and not wanted.startswith("-c"):
            yield Requirement(wanted)


def pins(group: str) -> dict[str, set[str]]:
    """Map each name to its pinned versions: more than one where they differ by Python."""
    found: dict[str, set[str]] = {}
    lines = (ROOT / "requirements" / f"{group}.txt").read_text("utf-8")
    for name, version in re.findall(r"^([a-z0-9._-]+)==([^ ]+)", lines, re.MULTILINE):
        found.setdefault(name, set()).add(version)
    return found


def test_every_package_is_declared_and_exists() -> None:
    folders = {PurePosixPath(path).parent for path in SHIPPED if path.endswith("/__init__.py")}
    assert sorted(SETUP["packages"]) == sorted(".".join(folder.parts) for folder in folders)


def test_every_module_is_inside_a_package() -> None:
    modules = [PurePosixPath(path) for path in SHIPPED if path.endswith(".py")]
    assert not [str(module) for module in modules if ".".join(module.parent.parts) not in SETUP["packages"]]


def test_every_data_file_is_shipped() -> None:
    patterns = [
        f"{package.replace('.', '/')}/{pattern}" for package, some in SETUP["package-data"].items() for pattern in some
    ]
    data = [PurePosixPath(path) for path in SHIPPED if not path.endswith(".py") and path not in NOT_SHIPPED]
    assert not [str(path) for path in data if not any(path.match(pattern) for pattern in patterns)]


@pytest.mark.parametrize("group", GROUPS)
def test_pins_are_within_the_ranges(group: str) -> None:
    pinned = pins(group)
    for wanted in asked_for(group):
        assert all(wanted.specifier.contains(version) for version in pinned[wanted.name]), wanted


@pytest.mark.parametrize("group", GROUPS)
def test_every_pin_has_a_hash(group: str) -> None:
    text = (ROOT / "requirements" / f"{group}.txt").read_text("utf-8")
    blocks = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
    assert blocks
    assert all(re.match(r"\S+==.* \\\n    --hash=sha256:[0-9a-f]{64}", block) for block in blocks)


def test_tools_and_runtime_share_their_versions() -> None:
    runtime, dev = pins("runtime"), pins("dev")
    assert runtime.keys() & dev.keys()
    assert not {name for name in runtime.keys() & dev.keys() if runtime[name] != dev[name]}
