"""What a browser must fetch before the studio shows anything, by the manifest of the build."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


def first_load(dist: Path) -> dict[str, int]:
    """Its files, each with its size in bytes as gzip sends it: the page, its scripts with all they import, their styles.

    What a script imports later, by `import()`, is none of it.
    """
    manifest: dict[str, dict[str, Any]] = json.loads((dist / "manifest.json").read_text("utf-8"))
    waiting = [name for name, chunk in manifest.items() if chunk.get("isEntry")]
    assert waiting, "the manifest names no entry"
    seen: set[str] = set()
    names = {"index.html"}
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            names |= {manifest[name]["file"], *manifest[name].get("css", ())}
            waiting += manifest[name].get("imports", ())
    return {name: _sent(dist / name) for name in sorted(names)}


def _sent(path: Path) -> int:
    small = path.with_name(f"{path.name}.gz")
    return small.stat().st_size if small.exists() else len(gzip.compress(path.read_bytes()))
