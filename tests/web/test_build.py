"""web/dist is what the sources say, or what it was before, whatever happens in between. The programs are acted."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import pytest

from server.studio_files import read_studio
from tests.flows.waiting import wait_until
from tests.web.acted import PROGRAM, Checkout
from web import build as room
from web.build import NotBuilt, sources
from web.node import WEB, Node, NoNode

VITE, NPM = "vite/bin/vite.js", "npm"


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path / "a checkout")


def no_node() -> NoReturn:
    raise NoNode("there is no Node")


def start(checkout: Checkout) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", PROGRAM, str(checkout.root)]
    return subprocess.Popen(command, cwd=WEB.parent, stderr=subprocess.PIPE, text=True)


def hanging(checkout: Checkout) -> int:
    """The program that hangs, once it does."""
    place = checkout.root / "hanging"
    return wait_until(lambda: int(place.read_text() or 0) if place.exists() else 0, "a program hangs")


def test_the_first_call_installs_and_builds_and_the_next_does_nothing(checkout: Checkout) -> None:
    assert checkout.build() == [NPM, VITE]
    assert checkout.shown == "one"
    assert checkout.build() == []


@pytest.mark.parametrize("name", ["index.html", "package.json", "vite.config.ts", "src/app/new.tsx", "icons/icon.svg"])
def test_what_changes_the_studio_builds_it_anew(checkout: Checkout, name: str) -> None:
    checkout.build()
    (checkout.web / name).parent.mkdir(exist_ok=True, parents=True)
    (checkout.web / name).write_text("changed")
    assert checkout.build() == [VITE]
    assert checkout.build() == []
    (checkout.web / name).rename(checkout.web / "src" / "moved.ts")
    assert checkout.build() == [VITE]


def test_changed_packages_are_installed_first(checkout: Checkout) -> None:
    checkout.build()
    checkout.require("2.0.0")
    assert checkout.build() == [NPM, VITE]


def test_another_node_builds_it_anew(checkout: Checkout) -> None:
    checkout.build()
    checkout.version = "v26.0.0"
    assert checkout.build() == [VITE]


@pytest.mark.parametrize("name", ["tests/a.test.ts", "README.md", "build.py", "biome.json", "library/sdk.js"])
def test_what_is_no_part_of_it_builds_nothing(checkout: Checkout, name: str) -> None:
    checkout.build()
    (checkout.web / name).parent.mkdir(exist_ok=True)
    (checkout.web / name).write_text("changed")
    assert checkout.build() == []


def test_the_older_build_goes(checkout: Checkout) -> None:
    checkout.build()
    checkout.write("two")
    checkout.build()
    assert checkout.served.keys() == {"index.html", "manifest.json", "assets/index-two.js"}


@pytest.mark.parametrize("lost", ["index.html", "manifest.json", "assets/index-one.js", ".built"])
def test_what_has_gone_is_built_anew(checkout: Checkout, lost: str) -> None:
    checkout.build()
    (checkout.dist / lost).unlink()
    assert checkout.build() == [VITE]
    assert checkout.shown == "one"


def test_what_was_cut_short_or_added_is_built_anew(checkout: Checkout) -> None:
    checkout.build()
    (checkout.dist / "assets" / "index-one.js").write_text("")
    assert checkout.build() == [VITE]
    assert checkout.served["assets/index-one.js"] == "one"
    (checkout.dist / "assets" / "index-none.js").touch()
    assert checkout.build() == [VITE]
    assert "assets/index-none.js" not in checkout.served


@pytest.mark.parametrize("stamp", [b"", b"\xff\xfe", b"one line"])
def test_a_stamp_that_is_none_is_not_believed(checkout: Checkout, stamp: bytes) -> None:
    checkout.build()
    (checkout.dist / ".built").write_bytes(stamp)
    assert checkout.build() == [VITE]


@pytest.mark.parametrize("what", ["npm", "vite"])
def test_a_failure_leaves_the_older_one_and_says_why(checkout: Checkout, what: str) -> None:
    checkout.build()
    before = checkout.served
    checkout.write("two")
    checkout.require("2.0.0")
    checkout.suffer(f"{what} fails")
    with pytest.raises(NotBuilt, match=f"words of {what}"):
        checkout.build()
    assert {name: text for name, text in checkout.served.items() if not name.startswith(".new/")} == before
    assert read_studio(checkout.dist) is not None
    checkout.suffer()
    assert checkout.build() == ([NPM, VITE] if what == "npm" else [VITE])
    assert checkout.shown == "two"
    assert not (checkout.dist / ".new").exists()


def test_a_build_that_makes_no_page_is_a_failure(checkout: Checkout) -> None:
    checkout.build()
    checkout.write("two")
    (checkout.root / "forget").touch()
    with pytest.raises(NotBuilt, match=r"no index\.html"):
        checkout.build()
    assert checkout.shown == "one"


def test_without_a_node_what_is_fresh_is_good_and_what_is_old_stays(checkout: Checkout) -> None:
    with pytest.raises(NotBuilt, match="there is no Node"):
        checkout.build(no_node)
    assert not checkout.dist.exists()
    checkout.build()
    assert checkout.build(no_node) == []
    checkout.write("two")
    with pytest.raises(NotBuilt, match="there is no Node"):
        checkout.build(no_node)
    assert checkout.shown == "one"


def test_without_npm_what_is_installed_is_used(checkout: Checkout) -> None:
    def bare() -> Node:
        return checkout.node()._replace(npm=())

    with pytest.raises(NotBuilt, match="there is no npm beside"):
        checkout.build(bare)
    checkout.build()
    checkout.write("two")
    assert checkout.build(bare) == [VITE]


def test_a_node_that_has_gone_meanwhile_is_a_failure_with_a_sentence(checkout: Checkout) -> None:
    def gone() -> Node:
        return Node(checkout.root / "nowhere", "v24.1.0", (str(checkout.root / "no-npm"),))

    with pytest.raises((NotBuilt, OSError), match="no-npm"):
        checkout.build(gone)


def test_at_every_step_a_whole_studio_is_there(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    checkout.build()
    checkout.write("two")
    shown: list[str] = []

    def look() -> None:
        assert read_studio(checkout.dist) is not None
        shown.append(checkout.shown)

    replace, unlink = Path.replace, Path.unlink

    def replacing(path: Path, target: Path) -> Path:
        moved = replace(path, target)
        look()
        return moved

    def unlinking(path: Path, missing_ok: bool = False) -> None:
        unlink(path, missing_ok)
        look()

    monkeypatch.setattr(Path, "replace", replacing)
    monkeypatch.setattr(Path, "unlink", unlinking)
    checkout.build()
    assert shown == sorted(shown), "the new one comes once and stays"
    assert set(shown) == {"one", "two"}


@pytest.mark.parametrize("after", range(6))
def test_death_while_it_is_moved_in_is_mended_by_the_next_call(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    checkout.build()
    checkout.write("two")
    left, replace, unlink = [after], Path.replace, Path.unlink

    def one_less() -> None:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt

    def replacing(path: Path, target: Path) -> Path:
        one_less()
        return replace(path, target)

    def unlinking(path: Path, missing_ok: bool = False) -> None:
        one_less()
        unlink(path, missing_ok)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", replacing)
        patch.setattr(Path, "unlink", unlinking)
        with pytest.raises(KeyboardInterrupt):
            checkout.build()
    assert read_studio(checkout.dist) is not None
    assert checkout.build() == [VITE]
    assert checkout.shown == "two"
    assert checkout.served.keys() == {"index.html", "manifest.json", "assets/index-two.js"}


def test_death_before_the_stamp_is_seen_also_when_the_sources_are_again_what_they_were(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = checkout.web / "index.html"
    page.write_text("A")
    checkout.build()
    page.write_text("B")

    remove = shutil.rmtree

    def dying(path: Path, ignore_errors: bool = False) -> None:
        if not ignore_errors:  # what is aside, once all of it has been moved in
            raise KeyboardInterrupt
        remove(path, ignore_errors)

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", dying)
        with pytest.raises(KeyboardInterrupt):
            checkout.build()
    remove(checkout.dist / ".new")
    page.write_text("A")
    assert checkout.build() == [VITE]
    assert checkout.served["index.html"].startswith("A<script")


@pytest.mark.parametrize("what", ["npm", "vite"])
def test_killed_with_all_its_programs_it_starts_anew(checkout: Checkout, what: str) -> None:
    checkout.suffer(f"{what} hangs")
    with start(checkout) as process:
        program = hanging(checkout)
        process.kill()
        os.kill(program, signal.SIGKILL)
    checkout.suffer()
    assert checkout.build() == ([NPM, VITE] if what == "npm" else [VITE])
    assert checkout.served.keys() == {"index.html", "manifest.json", "assets/index-one.js"}


def test_what_a_killed_one_has_started_keeps_others_out(checkout: Checkout) -> None:
    checkout.suffer("npm hangs")
    with start(checkout) as process:
        program = hanging(checkout)
        process.kill()
    checkout.suffer()
    with start(checkout) as second:
        assert second.stderr is not None
        assert "another dev.py is setting up here" in second.stderr.readline()
        assert checkout.called == [NPM]
        os.kill(program, signal.SIGKILL)
        second.communicate(timeout=25)
    assert second.returncode == 0
    assert checkout.called == [NPM, NPM, VITE]
    assert checkout.shown == "one"


def test_interrupted_it_leaves_no_program_behind(checkout: Checkout) -> None:
    checkout.suffer("vite hangs")
    with start(checkout) as process:
        program = hanging(checkout)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=25)
    assert process.returncode != 0
    with pytest.raises(ProcessLookupError):
        os.kill(program, 0)


def test_two_at_once_build_once(checkout: Checkout) -> None:
    both = [start(checkout), start(checkout)]
    ends = [(process.communicate(timeout=25)[1], process.returncode) for process in both]
    assert [status for _, status in ends] == [0, 0], ends
    assert checkout.called == [NPM, VITE]
    assert checkout.shown == "one"


def test_a_program_that_does_not_end_is_ended(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_SECONDS", 0.5)
    checkout.suffer("vite hangs")
    with pytest.raises(NotBuilt, match=r"not done in 0\.5 seconds"):
        checkout.build()
    with pytest.raises(ProcessLookupError):
        os.kill(hanging(checkout), 0)


@pytest.mark.parametrize("older", [True, False])
def test_main_says_what_is_served_instead(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], older: bool
) -> None:
    if older:
        checkout.build()
    checkout.write("two")
    checkout.suffer("vite fails")
    monkeypatch.setattr(room, "WEB", checkout.web)
    monkeypatch.setattr(room, "build", checkout.build)
    assert room.main() == 1
    said = capfd.readouterr().err
    assert ("that was built last" in said, "a plainer page" in said) == (older, not older)
    assert "words of vite" in said
    assert "Traceback" not in said


def test_all_sources_of_the_real_studio_are_known() -> None:
    known = {path.relative_to(WEB).as_posix() for path in sources(WEB)}
    assert {"index.html", "package-lock.json", "vite.config.ts", "src/app/main.tsx", "scripts/precompress.ts"} <= known
    assert not [name for name in known if name.startswith(("node_modules", "dist", "tests"))]


def test_a_disk_that_is_full_leaves_the_older_one(checkout: Checkout) -> None:
    checkout.build()
    checkout.write("two")
    shutil.rmtree(checkout.dist / "assets")
    (checkout.dist / "assets").touch()
    with pytest.raises(OSError, match="assets"):
        checkout.build()
