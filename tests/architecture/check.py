"""`python -m tests.architecture.check [--fix]`: every check there is, one after the other, also after one has failed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from dev import say, tool_environment

if TYPE_CHECKING:
    from collections.abc import Sequence

_BIN: Final = Path(sys.executable).parent


def commands(arguments: Sequence[str]) -> dict[str, list[str | Path]]:
    """What is called for each check, `--fix` mending what a tool can mend."""
    return {
        "lint": [_BIN / "ruff", "check", "--quiet", *arguments, "."],
        "format": [_BIN / "ruff", "format", *([] if arguments else ["--check"]), "."],
        "types": [_BIN / "basedpyright", f"--pythonpath={sys.executable}"],
        "imports": [_BIN / "lint-imports", "--no-logo"],
        "requirements": [_BIN / "deptry", "."],
        "dead code": [_BIN / "vulture"],
        "web": [sys.executable, "-m", "web.check", *arguments],
        "house rules": [_BIN / "pytest", "--quiet", "-p", "no:cacheprovider", "tests/architecture"],
    }


def main(arguments: Sequence[str]) -> int:
    """Run them and name those that failed; 1 when one did, 2 when this could not be begun."""
    if list(arguments) not in ([], ["--fix"]):
        say("check takes nothing but --fix.")
        return 2
    env = tool_environment(dict(os.environ))
    failed = [name for name, words in commands(arguments).items() if subprocess.call(words, env=env)]
    say(f"failed: {', '.join(failed)}." if failed else "all checks passed.")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
