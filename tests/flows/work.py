"""`python -m tests.flows.work`: the real worker process, its catalogue with the trial kinds beside the product's own."""

from __future__ import annotations

import sys

from tests.flows.serve import with_trials
from worker.__main__ import main

if __name__ == "__main__":
    sys.exit(main(with_trials))
