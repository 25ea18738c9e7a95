"""`python -m web.check [--fix]`: Biome and TypeScript's own checks on all that is in web/; --fix mends what Biome can mend.

Where they cannot run, that is said and is no failure, but with `SNAPASSET_TEST_STRICT=1`, as in continuous integration, it is.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Final

from dev import say
from web.node import WEB, Failed, NoNode
from web.packages import ready_node

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from web.node import Node

_SECONDS: Final = 120


def main(arguments: Sequence[str], *, strict: bool, ready: Callable[[], Node] = ready_node) -> int:
    """Run all checks, also after one has failed; 1 when one did."""
    try:
        node = ready()
    except (NoNode, Failed) as reason:
        say(f"web/ is not checked: {reason}")
        return int(strict)
    biome = ("check", "--write") if "--fix" in arguments else ("ci",)
    checks = {
        "@biomejs/biome/bin/biome": (*biome, "--colors=off", "."),
        "typescript/bin/tsc": ("--project", "tsconfig.json"),
    }
    status = 0
    for tool, words in checks.items():
        try:
            node.run(tool, *words, web=WEB, seconds=_SECONDS)
        except Failed as failure:
            print(failure)
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], strict=os.environ.get("SNAPASSET_TEST_STRICT") == "1"))
