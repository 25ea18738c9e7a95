"""node_modules is believed only when npm says that it has installed all that the lock file names, and has said so at its end."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.web.acted import Checkout
from web.node import WEB, Failed
from web.packages import INSTALL, are_current, install

if TYPE_CHECKING:
    from pathlib import Path

WANTED: dict[str, Any] = {
    "": {"name": "@snapasset/web"},
    "node_modules/a": {"version": "1.0.0", "integrity": "sha512-a"},
    "node_modules/b": {"version": "2.0.0", "dev": True},
    "node_modules/c-linux": {"version": "3.0.0", "optional": True},
    "node_modules/c-other": {"version": "3.0.0", "optional": True},
}
THERE = {name: told for name, told in WANTED.items() if name not in {"", "node_modules/c-other"}}


def laid(folder: Path, there: Any, wanted: Any = WANTED) -> Path:
    (folder / "node_modules").mkdir()
    (folder / "package-lock.json").write_text(json.dumps({"packages": wanted}))
    (folder / "node_modules" / ".package-lock.json").write_text(
        there if isinstance(there, str) else json.dumps({"packages": there})
    )
    return folder


def test_what_npm_has_installed_is_current(tmp_path: Path) -> None:
    assert are_current(laid(tmp_path, THERE))


@pytest.mark.parametrize(
    "there",
    [
        {name: told for name, told in THERE.items() if name != "node_modules/b"},
        {**THERE, "node_modules/a": {"version": "1.0.1", "integrity": "sha512-a"}},
        {**THERE, "node_modules/a": {"version": "1.0.0", "integrity": "sha512-b"}},
        {**THERE, "node_modules/d": {"version": "1.0.0"}},
        {},
        "",
        "[]",
        '{"packages": [1]}',
        '{"packages"',
    ],
)
def test_anything_else_is_not(tmp_path: Path, there: Any) -> None:
    assert not are_current(laid(tmp_path, there))


def test_nothing_is_not_current(tmp_path: Path) -> None:
    assert not are_current(tmp_path)
    assert not are_current(laid(tmp_path, THERE, wanted={}))


def test_before_anything_changes_nothing_counts_as_installed(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path / "a")
    install(checkout.node(), checkout.web)
    assert are_current(checkout.web)
    checkout.require("2.0.0")
    checkout.suffer("npm fails")
    with pytest.raises(Failed, match="words of npm"):
        install(checkout.node(), checkout.web)
    assert not (checkout.web / "node_modules" / ".package-lock.json").exists()
    checkout.require("1.0.0")
    assert not are_current(checkout.web), "what it was like before is not known any more"
    checkout.suffer()
    install(checkout.node(), checkout.web)
    assert checkout.called == ["npm"] * 3


def test_an_npm_that_installs_something_else_is_a_failure(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path / "a")
    quiet = checkout.node()._replace(npm=("/bin/true",))
    with pytest.raises(Failed, match=r"not installed what package-lock\.json names"):
        install(quiet, checkout.web)


def test_tools_are_installed_whatever_the_surroundings_say_and_no_package_runs_anything() -> None:
    assert {"ci", "--include=dev", "--ignore-scripts"} <= set(INSTALL)


def test_the_lock_file_holds_a_hash_for_each_package_and_no_address() -> None:
    packages = json.loads((WEB / "package-lock.json").read_text("utf-8"))["packages"]
    assert len(packages) > 100
    assert all(told["integrity"].startswith("sha512-") for name, told in packages.items() if name)
    assert not [name for name, told in packages.items() if "resolved" in told]


def test_the_lock_file_is_whole_for_every_machine() -> None:
    packages = json.loads((WEB / "package-lock.json").read_text("utf-8"))["packages"]
    missing = [
        f"{wanted} of {name}"
        for name, told in packages.items()
        for wanted in told.get("optionalDependencies", {})
        if not any(f"{place}node_modules/{wanted}" in packages for place in (f"{name}/", ""))
    ]
    assert missing == [], "`npm ci` refuses such a lock file, wherever these can be had"
