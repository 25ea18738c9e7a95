"""`python -m web.build`: make web/dist, what the studio is served from, when it is not what the sources say.

The folder `web/dist` belongs to this file. What is built is built aside and then moved in: first the files whose names change
with their content, then, by one rename, the page that names them; only then does the older build go. So at any moment the
page and all that it names are of one build. A stamp is taken away before and written last: whatever interrupts this, the
next call sees it and starts anew.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
from typing import TYPE_CHECKING, Final

from dev import only_one, say
from web import packages
from web.node import WEB, Failed, NoNode, find_node

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from web.node import Node

_FILES: Final = ("index.html", "package.json", "package-lock.json", "tsconfig.json", "vite.config.ts")
_FOLDERS: Final = ("src", "icons", "scripts")
"""All that a build is made of, and nothing else: a changed test builds nothing anew."""

_STAMP: Final = ".built"
_ASIDE: Final = ".new"
_SECONDS: Final = 180
_SHOWN: Final = 1_500
"""Of what a program has said, so many letters from the end: there stands why."""


class NotBuilt(Exception):
    """Why there is no studio of these sources, as half a sentence for the caller."""


def build(web: Path = WEB, find: Callable[[], Node] = find_node) -> None:
    """Make `dist` be what the sources say, or raise `NotBuilt` and leave the older one. Several processes may call at once."""
    try:
        node = find()
    except NoNode as reason:
        if _is_fresh(web, None):
            return
        raise NotBuilt(str(reason)) from reason
    if _is_fresh(web, node):
        return
    with only_one(web.parent / ".venv.lock") as lock:
        if not _is_fresh(web, node):
            say("building the studio; where its packages must be fetched first, this takes half a minute.")
            _build(web, node, lock)


def sources(web: Path) -> Iterator[Path]:
    """Every file that a build is made of, in a fixed order."""
    yield from (path for name in _FILES if (path := web / name).is_file())
    yield from sorted(path for name in _FOLDERS for path in (web / name).rglob("*") if path.is_file())


def _build(web: Path, node: Node, lock: int) -> None:
    made_of = _identity(web, node)  # first: what is changed from here on is seen by the next call
    dist = web / "dist"
    aside = dist / _ASIDE
    shutil.rmtree(aside, ignore_errors=True)
    try:
        packages.install(node, web, lock)
        words = ("build", "--outDir", str(aside), "--emptyOutDir", "--logLevel", "warn")
        node.run("vite/bin/vite.js", *words, web=web, seconds=_SECONDS, lock=lock)
    except Failed as failure:
        raise NotBuilt(str(failure)) from failure
    if not (aside / "index.html").is_file():
        raise NotBuilt("Vite has made no index.html")
    _move_in(aside, dist)
    new = dist / f"{_STAMP}.new"
    new.write_text("\n".join([*made_of, *_listed(dist)]), "utf-8")
    new.replace(dist / _STAMP)


def _move_in(aside: Path, dist: Path) -> None:
    (dist / _STAMP).unlink(missing_ok=True)
    made = sorted(path.relative_to(aside) for path in aside.rglob("*") if path.is_file())
    for name in sorted(made, key=lambda name: name.name == "index.html"):
        (dist / name).parent.mkdir(parents=True, exist_ok=True)
        (aside / name).replace(dist / name)
    shutil.rmtree(aside)
    for path in [path for path in dist.rglob("*") if path.is_file() and path.relative_to(dist) not in made]:
        path.unlink()


def _is_fresh(web: Path, node: Node | None) -> bool:
    """Whether the stamp names these sources and this Node, and just what was built is there. Without a Node any one counts."""
    try:
        source, version, *there = (web / "dist" / _STAMP).read_text("utf-8").splitlines()
    except (OSError, ValueError):
        return False
    expected, ours = _identity(web, node)
    return source == expected and (node is None or version == ours) and there == _listed(web / "dist")


def _identity(web: Path, node: Node | None) -> tuple[str, str]:
    """A hash of the sources, and the version of the Node."""
    told = hashlib.sha256()
    for path in sources(web):
        body = path.read_bytes()
        told.update(f"{path.relative_to(web).as_posix()}\0{len(body)}\0".encode() + body)
    return told.hexdigest(), node.version if node else ""


def _listed(dist: Path) -> list[str]:
    """What lies there, but for the stamp: each file with its size."""
    files = sorted(path for path in dist.rglob("*") if path.is_file() and not path.name.startswith("."))
    return [f"{path.relative_to(dist).as_posix()} {path.stat().st_size}" for path in files]


def main() -> int:
    """Build if need be; 1 and a sentence when that was not possible."""
    try:
        build()
    except (NotBuilt, OSError) as reason:
        older = (WEB / "dist" / "index.html").is_file()
        instead = "the studio that was built last" if older else "a plainer page that needs no build"
        say(f"the studio could not be built, and {instead} is served in its place: {str(reason)[-_SHOWN:]}")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
