"""dev.py keeps `.venv` true to the requirement files, whatever happens in between. No network: the programs are acted."""

from __future__ import annotations

import ast
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import dev

if TYPE_CHECKING:
    from collections.abc import Callable

VENV, FETCH_UV, SYNC, PIP_ALONE = "venv", "fetch uv", "uv sync", "pip alone"


class Acted(dev.Commands):
    """Does to the disk what the real programs would do, and keeps a list of what was called."""

    def __init__(self, root: Path) -> None:
        self.venv = root / ".venv"
        self.called: list[str] = []
        self.failing: set[str] = set()
        self.on_call: Callable[[str], None] = lambda _name: None
        self.hosts_have_pip = True

    def run(self, command: list[str], env: dict[str, str], lock: int) -> int:
        name = self._name(command)
        self.called.append(name)
        self.on_call(name)
        if name in self.failing:
            return 1
        if name == VENV:
            self.python.parent.mkdir(parents=True)
            self.python.touch()
            self.packages.mkdir(parents=True)
        return 0

    def ask(self, command: list[str]) -> str | None:
        made_here = "ensurepip" in self.called and Path(command[0]) == self.python
        return "" if self.hosts_have_pip or made_here else None

    @property
    def python(self) -> Path:
        return dev.Venv(self.venv.parent).python

    @property
    def packages(self) -> Path:
        return self.venv / "lib" / "python3.11" / "site-packages"

    @staticmethod
    def _name(command: list[str]) -> str:
        if "--without-pip" in command:
            return VENV
        if "sync" in command:
            return SYNC
        if "ensurepip" in command:
            return "ensurepip"
        return FETCH_UV if "--only-binary=:all:" in command else PIP_ALONE


@pytest.fixture
def root(tmp_path: Path) -> Path:
    checkout = tmp_path / "checkout"
    (checkout / "requirements").mkdir(parents=True)
    for name in ("uv", "runtime", "dev"):
        (checkout / "requirements" / f"{name}.txt").write_text(f"{name}==1\n")
    return checkout


@pytest.fixture
def acted(root: Path) -> Acted:
    return Acted(root)


@pytest.fixture
def venv(root: Path, acted: Acted) -> dev.Venv:
    return dev.Venv(root, acted)


def change(root: Path, group: str) -> None:
    (root / "requirements" / f"{group}.txt").write_text(f"{group}==2\n")


def test_the_first_call_makes_and_installs(venv: dev.Venv, acted: Acted) -> None:
    venv.prepare(dev=False)
    assert acted.called == [VENV, FETCH_UV, SYNC]
    assert venv.is_fresh(dev=False)
    assert not venv.is_fresh(dev=True)


def test_a_warm_call_runs_nothing(venv: dev.Venv, acted: Acted) -> None:
    venv.prepare(dev=True)
    acted.called.clear()
    venv.prepare(dev=True)
    venv.prepare(dev=False)
    assert acted.called == []


def test_tools_are_added_to_what_is_there(venv: dev.Venv, acted: Acted) -> None:
    venv.prepare(dev=False)
    venv.prepare(dev=True)
    assert acted.called == [VENV, FETCH_UV, SYNC, FETCH_UV, SYNC]
    assert venv.is_fresh(dev=False)
    assert venv.is_fresh(dev=True)


@pytest.mark.parametrize("group", ["uv", "runtime", "dev"])
def test_changed_requirements_are_installed_into_the_same_venv(
    venv: dev.Venv, acted: Acted, root: Path, group: str
) -> None:
    venv.prepare(dev=True)
    change(root, group)
    assert not venv.is_fresh(dev=True)
    venv.prepare(dev=True)
    assert acted.called.count(VENV) == 1
    assert venv.is_fresh(dev=True)


def test_run_keeps_the_tools_when_it_installs(venv: dev.Venv, root: Path) -> None:
    venv.prepare(dev=True)
    change(root, "runtime")
    venv.prepare(dev=False)
    assert venv.is_fresh(dev=True)


def test_run_does_not_care_about_the_tools(venv: dev.Venv, acted: Acted, root: Path) -> None:
    venv.prepare(dev=True)
    change(root, "dev")
    acted.called.clear()
    venv.prepare(dev=False)
    assert acted.called == []


@pytest.mark.parametrize("moment", [VENV, FETCH_UV, SYNC])
def test_an_interrupted_set_up_starts_anew(venv: dev.Venv, acted: Acted, moment: str) -> None:
    def interrupt(name: str) -> None:
        if name == moment:
            raise KeyboardInterrupt

    acted.on_call = interrupt
    with pytest.raises(KeyboardInterrupt):
        venv.prepare(dev=False)
    assert not venv.is_fresh(dev=False)

    acted.on_call = lambda _name: None
    acted.called.clear()
    venv.prepare(dev=False)
    assert acted.called == [VENV, FETCH_UV, SYNC]
    assert venv.is_fresh(dev=False)


def test_an_interrupted_update_starts_anew(venv: dev.Venv, acted: Acted, root: Path) -> None:
    def interrupt(name: str) -> None:
        if name == SYNC:
            raise KeyboardInterrupt

    venv.prepare(dev=True)
    change(root, "dev")
    acted.on_call = interrupt
    with pytest.raises(KeyboardInterrupt):
        venv.prepare(dev=True)
    assert not venv.is_fresh(dev=False)

    acted.on_call = lambda _name: None
    acted.called.clear()
    venv.prepare(dev=False)
    assert acted.called[0] == VENV


@pytest.mark.parametrize("broken", [FETCH_UV, SYNC])
def test_where_uv_fails_pip_does_it_alone(venv: dev.Venv, acted: Acted, broken: str) -> None:
    acted.failing = {broken}
    venv.prepare(dev=False)
    assert acted.called[-1] == PIP_ALONE
    assert venv.is_fresh(dev=False)


def test_when_nothing_can_be_installed_it_says_so(venv: dev.Venv, acted: Acted) -> None:
    acted.failing = {FETCH_UV, PIP_ALONE}
    with pytest.raises(dev.SetupFailed, match="could not be installed"):
        venv.prepare(dev=False)
    assert not venv.is_fresh(dev=False)


def test_a_failed_download_does_not_spoil_what_works(venv: dev.Venv, acted: Acted, root: Path) -> None:
    venv.prepare(dev=True)
    change(root, "dev")
    acted.failing = {SYNC, PIP_ALONE}
    with pytest.raises(dev.SetupFailed):
        venv.prepare(dev=True)
    assert venv.is_fresh(dev=False)
    assert not venv.is_fresh(dev=True)


def test_a_failure_in_mid_installation_is_not_trusted(venv: dev.Venv, acted: Acted, root: Path) -> None:
    venv.prepare(dev=True)
    os.utime(acted.packages, (0, 0))  # long ago: some clocks of file systems tick slowly
    change(root, "dev")
    acted.failing = {SYNC, PIP_ALONE}
    acted.on_call = lambda name: (acted.packages / name).mkdir()
    with pytest.raises(dev.SetupFailed):
        venv.prepare(dev=True)
    assert not venv.is_fresh(dev=False)


def test_a_moved_checkout_gets_a_new_venv(venv: dev.Venv, root: Path) -> None:
    venv.prepare(dev=False)
    moved = root.rename(root.parent / "elsewhere")
    acted = Acted(moved)
    venv = dev.Venv(moved, acted)
    assert not venv.is_fresh(dev=False)
    venv.prepare(dev=False)
    assert acted.called[0] == VENV


def test_a_venv_of_another_python_is_made_anew(venv: dev.Venv, acted: Acted, root: Path) -> None:
    venv.prepare(dev=False)
    stamp = root / ".venv" / "installed-runtime"
    stamp.write_text("3.9.9 " + stamp.read_text())
    venv.prepare(dev=False)
    assert acted.called.count(VENV) == 2


def test_a_venv_without_its_python_is_made_anew(venv: dev.Venv, acted: Acted) -> None:
    venv.prepare(dev=False)
    venv.python.unlink()
    venv.prepare(dev=False)
    assert acted.called.count(VENV) == 2


def test_a_stamp_that_is_no_text_is_no_stamp(venv: dev.Venv, root: Path) -> None:
    venv.prepare(dev=False)
    (root / ".venv" / "installed-runtime").write_bytes(b"\xff\xfe")
    assert not venv.is_fresh(dev=False)


def test_without_pip_ensurepip_makes_one(venv: dev.Venv, acted: Acted) -> None:
    acted.hosts_have_pip = False
    venv.prepare(dev=False)
    assert acted.called == [VENV, "ensurepip", FETCH_UV, SYNC]


def test_without_pip_and_ensurepip_it_says_what_to_install(venv: dev.Venv, acted: Acted) -> None:
    def refuse(name: str) -> None:
        if name == "ensurepip":
            acted.called.remove(name)

    acted.hosts_have_pip = False
    acted.on_call = refuse
    with pytest.raises(dev.SetupFailed, match="apt install python3-pip"):
        venv.prepare(dev=False)


def test_pip_and_uv_stay_inside_and_ask_one_index() -> None:
    said = "global.index-url='https://one/'\ninstall.index-url='https://two/'\nglobal.extra-index-url='https://no/'\n"
    env = dev.installer_environment(
        said, {"PIP_TARGET": "/elsewhere", "UV_SYSTEM_PYTHON": "1", "PIP_USER": "1", "A": "b"}
    )
    assert env["UV_DEFAULT_INDEX"] == "https://two/"
    assert env["PIP_USER"] == "0"
    assert env["A"] == "b"
    assert not env.keys() & {"PIP_TARGET", "UV_SYSTEM_PYTHON"}


def test_an_index_from_the_environment_wins() -> None:
    said = ":env:.index-url='https://mine/'\nglobal.index-url='https://one/'\n"
    assert dev.installer_environment(said, {})["UV_DEFAULT_INDEX"] == "https://mine/"
    assert "UV_DEFAULT_INDEX" not in dev.installer_environment(said, {"UV_INDEX_URL": "https://uv/"})
    assert "UV_DEFAULT_INDEX" not in dev.installer_environment("", {})


def test_what_hides_packages_does_not_reach_the_tools() -> None:
    assert dev.tool_environment({"PYTHONHOME": "/x", "PYTHONSAFEPATH": "1", "PORT": "80"}) == {"PORT": "80"}


def test_an_old_python_is_told_which_one_to_use() -> None:
    assert dev.too_old((3, 11), lambda _name: None) is None
    assert dev.too_old((3, 14), lambda _name: None) is None
    assert dev.too_old((3, 8), lambda _name: None) == "SnapAsset needs Python 3.11 or newer; this is 3.8."
    newer = dev.too_old((3, 10), lambda name: "/bin/it" if name in {"python3.11", "python3.12"} else None)
    assert newer is not None
    assert newer.endswith("Call `python3.12 dev.py` instead.")


def test_an_old_python_can_read_the_file() -> None:
    ast.parse(Path(dev.__file__).read_text("utf-8"), feature_version=(3, 8))
