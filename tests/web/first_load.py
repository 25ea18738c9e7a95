"""What a browser must fetch before the studio shows anything, by the first page and the manifest of the build."""

from __future__ import annotations

import gzip
import json
import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

FIRST_PAGES: Final = {
    "/": ("src/app/gallery/Empty.tsx",),
    "/jobs/:id": ("src/app/work/WorkPage.tsx",),
    "/generations/:id": ("src/app/work/WorkPage.tsx",),
}
"""What each address draws at once though its script is fetched by `import()`; `fetchAhead` in web/src/app begins with it."""

LATER: Final = frozenset({"src/app/dialogs/Help.tsx"})
"""What the first script imports for when it is asked for."""

_NAMED: Final = re.compile(r'(?:src|href)="/(assets/[^"]+\.(?:js|css))"')


def first_load(dist: Path, drawn: Iterable[str] = ()) -> dict[str, int]:
    """Its files, each with its size in bytes as gzip sends it: the page, its scripts with all they import, their styles.

    What a script imports later, by `import()`, is none of it, but for what is `drawn` at once.
    """
    manifest = _manifest(dist)
    waiting = [*_entries(manifest), *drawn]
    seen: set[str] = set()
    names = {"index.html", *_NAMED.findall((dist / "index.html").read_text("utf-8"))}
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            names |= {manifest[name]["file"], *manifest[name].get("css", ())}
            waiting += manifest[name].get("imports", ())
    return {name: _sent(dist / name) for name in sorted(names)}


def fetched_later(dist: Path) -> set[str]:
    """What the first script itself imports by `import()`."""
    manifest = _manifest(dist)
    return {later for entry in _entries(manifest) for later in manifest[entry].get("dynamicImports", ())}


def _manifest(dist: Path) -> dict[str, dict[str, Any]]:
    return json.loads((dist / "manifest.json").read_text("utf-8"))


def _entries(manifest: dict[str, dict[str, Any]]) -> list[str]:
    found = [name for name, chunk in manifest.items() if chunk.get("isEntry")]
    assert found, "the manifest names no entry"
    return found


def _sent(path: Path) -> int:
    small = path.with_name(f"{path.name}.gz")
    return small.stat().st_size if small.exists() else len(gzip.compress(path.read_bytes()))
