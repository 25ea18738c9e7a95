"""`python -m tests.faults.work`: the real worker process with the kinds of the fault tests."""

from __future__ import annotations

import sys

from tests.faults.kinds import newer
from worker.__main__ import main

if __name__ == "__main__":
    sys.exit(main(newer))
