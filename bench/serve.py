"""`python -m bench.serve`: the real server with the no-op kind beside its own."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from server.__main__ import main
from snapasset.job_type import Catalogue
from worker.processors import catalogue
from worker.processors.trial import NOOP

if TYPE_CHECKING:
    from snapasset.settings import Settings


def with_noop(settings: Settings) -> Catalogue:
    """The product's kinds and `noop`."""
    return Catalogue([*catalogue(settings), NOOP])


if __name__ == "__main__":
    sys.exit(main(with_noop))
