"""A checkout with web/ in it, and programs that act Node and npm: they do to the disk what the real ones would do."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Final

from web.build import build
from web.node import Node

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_ACTOR: Final = """#!{python} -IS
import json, os, shutil, sys, time
name, root = os.path.basename(sys.argv[0]), {root!r}
web = os.path.join(root, "web")
with open(os.path.join(root, "called"), "a") as log:
    log.write(("npm" if name == "npm" else sys.argv[1].split("node_modules/")[1]) + "\\n")
def mishap(moment):
    try:
        wanted = open(os.path.join(root, "mishap")).read()
    except OSError:
        return
    if wanted == moment + " fails":
        print("words of", moment)
        sys.exit(3)
    if wanted == moment + " hangs":
        open(os.path.join(root, "hanging"), "w").write(str(os.getpid()))
        time.sleep(60)
if name == "npm":
    packages = json.load(open(os.path.join(web, "package-lock.json")))["packages"]
    os.makedirs(os.path.join(web, "node_modules"), exist_ok=True)
    mishap("npm")
    there = {{name: told for name, told in packages.items() if name and not told.get("optional")}}
    json.dump({{"packages": there}}, open(os.path.join(web, "node_modules", ".package-lock.json"), "w"))
else:
    out = sys.argv[sys.argv.index("--outDir") + 1]
    text = open(os.path.join(web, "src", "main.ts")).read()
    os.makedirs(os.path.join(out, "assets"))
    open(os.path.join(out, "assets", "index-" + text + ".js"), "w").write(text)
    open(os.path.join(out, "manifest.json"), "w").write("{{}}")
    mishap("vite")
    if not os.path.exists(os.path.join(root, "forget")):
        index = os.path.join(web, "index.html")
        page = open(index).read() if os.path.exists(index) else ""
        open(os.path.join(out, "index.html"), "w").write(page + '<script src="/assets/index-' + text + '.js"></script>')
"""


class Checkout:
    """`root` holds web/ and nothing else; `version` is what its Node says of itself."""

    def __init__(self, root: Path) -> None:
        self.root, self.web, self.dist = root, root / "web", root / "web" / "dist"
        self.version = "v24.1.0"
        (self.web / "src").mkdir(parents=True)
        (self.web / "index.html").touch()
        self.write("one")
        self.require("1.0.0")
        for name in ("node", "npm"):
            (root / name).write_text(_ACTOR.format(python=sys.executable, root=str(root)))
            (root / name).chmod(0o755)

    def write(self, text: str) -> None:
        """Change the sources: what is built of them has this text in its name."""
        (self.web / "src" / "main.ts").write_text(text)

    def require(self, version: str) -> None:
        """Change the lock file; it also names a package for another kind of machine."""
        named = {"": {}, "node_modules/vite": {"version": version}, "node_modules/other": {"optional": True}}
        (self.web / "package-lock.json").write_text(json.dumps({"packages": named}))

    def suffer(self, mishap: str = "") -> None:
        """From now on `npm` or `vite` fails or hangs, such as "vite hangs"; nothing does by default."""
        (self.root / "mishap").write_text(mishap)

    def node(self) -> Node:
        return Node(self.root / "node", self.version, (str(self.root / "npm"),))

    def build(self, find: Callable[[], Node] | None = None) -> list[str]:
        """Build, and return the programs that were called for it."""
        before = len(self.called)
        build(self.web, find or self.node)
        return self.called[before:]

    @property
    def called(self) -> list[str]:
        log = self.root / "called"
        return log.read_text().splitlines() if log.exists() else []

    @property
    def served(self) -> dict[str, str]:
        """All that lies in `dist` but for the stamp."""
        found = (path for path in self.dist.rglob("*") if path.is_file() and path.name != ".built")
        return {path.relative_to(self.dist).as_posix(): path.read_text() for path in found}

    @property
    def shown(self) -> str:
        """The text that the studio is of, by the page that would be served."""
        index = (self.dist / "index.html").read_text()
        return index.partition("index-")[2].partition(".js")[0]


PROGRAM: Final = """
import signal, sys
from pathlib import Path
from tests.web.acted import Checkout
signal.signal(signal.SIGINT, signal.default_int_handler)
checkout = Checkout.__new__(Checkout)
checkout.root = Path(sys.argv[1])
checkout.web, checkout.version = checkout.root / "web", "v24.1.0"
from web.build import build
build(checkout.web, checkout.node)
"""
"""Builds the checkout that is named, in a process of its own, that can be interrupted although a shell ran the tests in the background."""
