"""`python -m tests.faults.serve`: the real server with the kinds of the fault tests."""

from __future__ import annotations

import sys

from server.__main__ import main
from tests.faults.kinds import newer

if __name__ == "__main__":
    sys.exit(main(newer))
