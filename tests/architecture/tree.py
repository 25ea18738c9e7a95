"""The files that make up the project: what git tracks or would track, or, without git, what lies in the tree."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

_SHOWN = {".ci", ".github"}
_LEFT_BY_TOOLS = {"__pycache__", "node_modules", "dist", "build"}
_LEFT_BY_TOOLS_SUFFIXES = (".pyc", ".lock", ".egg-info")


def project_files(root: Path = ROOT) -> list[str]:
    """Return the paths of all files, relative to the root, with forward slashes, sorted."""
    return sorted(name for name in _known_to_git(root) or walked(root) if (root / name).is_file())


def _known_to_git(root: Path) -> list[str]:
    command = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listing = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError):  # an unpacked archive, or a machine without git
        return []
    return [name for name in listing.split("\0") if name]


def walked(root: Path) -> list[str]:
    """Return every file below the root but for what tools leave behind."""
    found: list[str] = []
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if name in _SHOWN or not (name.startswith(".") or _is_left(name))]
        found += [(Path(folder) / name).relative_to(root).as_posix() for name in names if not _is_left(name)]
    return found


def _is_left(name: str) -> bool:
    return name in _LEFT_BY_TOOLS or name.endswith(_LEFT_BY_TOOLS_SUFFIXES)


def text_of(name: str, root: Path = ROOT) -> str | None:
    """Return a file's text, or None when it is not text."""
    try:
        return (root / name).read_text("utf-8")
    except UnicodeDecodeError:
        return None
