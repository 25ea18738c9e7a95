"""What the files of the deployments say, read as those who carry them out read them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
KUBERNETES = ROOT / "deploy" / "kubernetes"
MANIFESTS = sorted(KUBERNETES.glob("*.yaml"))
RAILWAY = {"api": ROOT / "railway.json", "worker": ROOT / "worker" / "railway.json"}

_UNITS = {"s": 1, "m": 60, "h": 3600}
_INTERPOLATED = re.compile(r"\$\$|\$\{(\w+)(:\?|:-)([^{}]*)\}")


def read_yaml(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text("utf-8"))


def manifest(name: str) -> dict[str, Any]:
    return read_yaml(KUBERNETES / f"{name}.yaml")


def pod(name: str) -> dict[str, Any]:
    """The pod of a Deployment."""
    return manifest(name)["spec"]["template"]["spec"]


def railway(name: str) -> dict[str, Any]:
    return json.loads(RAILWAY[name].read_text("utf-8"))


def compose() -> dict[str, Any]:
    return read_yaml(ROOT / "docker-compose.yml")


def readme(begin: str, end: str = "\n## ") -> str:
    """What the README says from these words on, up to those."""
    _, found, rest = (ROOT / "README.md").read_text("utf-8").partition(begin)
    assert found, begin
    return found + rest.partition(end)[0]


def seconds(text: str) -> int:
    """A duration as Compose writes it."""
    parts = re.findall(r"(\d+)([smh])", text)
    assert "".join(number + unit for number, unit in parts) == text
    return sum(int(number) * _UNITS[unit] for number, unit in parts)


class Unset(Exception):
    """A variable that must be set is not."""


def interpolated(text: str, given: dict[str, str]) -> str:
    """A value of the Compose file with these variables in place; only `${A:?why}` and `${A:-else}` are read."""

    def value(found: re.Match[str]) -> str:
        if found[0] == "$$":
            return "$"
        name, mark, rest = found[1], found[2], found[3]
        if given.get(name):
            return given[name]
        if mark == ":?":
            raise Unset(f"{name}: {rest}")
        return rest

    assert "$" not in _INTERPOLATED.sub("", text), text
    return _INTERPOLATED.sub(value, text)


class Instruction(NamedTuple):
    word: str
    rest: str


def dockerfile() -> list[list[Instruction]]:
    """The Dockerfile's stages; lines are joined, comments left out. What stands before the first FROM is a stage too."""
    lines = [line for line in (ROOT / "Dockerfile").read_text("utf-8").splitlines() if not line.startswith("#")]
    stages: list[list[Instruction]] = [[]]
    for line in re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines():
        if line.strip():
            word, _, rest = line.partition(" ")
            if word == "FROM":
                stages.append([])
            stages[-1].append(Instruction(word, rest.strip()))
    return stages


def of_image(word: str) -> list[str]:
    """What these instructions say in the last stage, which becomes the image."""
    return [instruction.rest for instruction in dockerfile()[-1] if instruction.word == word]


def image_environment() -> dict[str, str]:
    return dict(pair.split("=", 1) for rest in of_image("ENV") for pair in rest.split())


def copied() -> Iterator[tuple[str, str]]:
    """What is copied from the project into any stage: from where, to where."""
    for stage in dockerfile():
        for word, rest in stage:
            if word == "COPY" and not rest.startswith("--from="):
                *sources, target = rest.split()
                yield from (
                    (source, f"{target}{source.rpartition('/')[2]}" if target.endswith("/") else target)
                    for source in sources
                )


def excluded(path: str) -> bool:
    """Whether `.dockerignore` keeps this path out: the last line that fits it, or a folder it is in, decides."""
    out = False
    for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            inner = re.escape(line.removeprefix("!")).replace(r"\*\*/", "(?:.*/)?").replace(r"\*", "[^/]*")
            if re.fullmatch(f"{inner}(?:/.*)?", path):
                out = not line.startswith("!")
    return out
