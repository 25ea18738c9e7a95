"""`python -m tests.flows.serve`: the real server, its catalogue with the trial kinds beside the product's own."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from server.__main__ import main
from snapasset.job_type import Catalogue
from worker.processors import catalogue
from worker.processors.trial import NOOP, WALK

if TYPE_CHECKING:
    from snapasset.settings import Settings


def with_trials(settings: Settings) -> Catalogue:
    """The product's kinds, `noop` and `walk`."""
    return Catalogue([*catalogue(settings), NOOP, WALK])


if __name__ == "__main__":
    sys.exit(main(with_trials))
