"""`python -m web.schema`: make src/sdk/schema.ts anew, the types of all that /openapi.json tells of.

The file is committed, so that nobody needs a running service to build the studio; a test fails when it is not what this makes.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from dev import say
from server.openapi.document import document
from server.openapi.schemas import Limits
from snapasset.settings import Settings
from web.node import WEB, Failed, NoNode
from web.packages import ready_node
from worker import processors

if TYPE_CHECKING:
    from web.node import Node

PLACE: Final = WEB / "src" / "sdk" / "schema.ts"
_SECONDS: Final = 60


def described() -> str:
    """What a service with no settings of its own answers at /openapi.json."""
    settings = Settings()
    limits = Limits(settings.delay_max_seconds, settings.ttl_max_seconds, settings.batch_max_jobs)
    return json.dumps(document(processors.catalogue(settings), limits), ensure_ascii=False)


def types_of(text: str, node: Node) -> str:
    """The types of an OpenAPI document, by openapi-typescript out of `node_modules`. Raises `Failed`."""
    with tempfile.TemporaryDirectory() as folder:
        told, made = Path(folder, "openapi.json"), Path(folder, "schema.ts")
        told.write_text(text, "utf-8")
        node.run("openapi-typescript/bin/cli.js", str(told), "--output", str(made), web=WEB, seconds=_SECONDS)
        return made.read_text("utf-8")


def main() -> int:
    """Write the types; 1 and a sentence when that was not possible."""
    try:
        types = types_of(described(), ready_node())
    except (NoNode, Failed) as reason:
        say(f"the types could not be made: {reason}")
        return 1
    PLACE.write_text(types, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
