"""`python -m tests.faults.serve`: the real server with the kinds of the fault tests, by their clock if they have one."""

from __future__ import annotations

import sys

from tests.faults.clock import go_by_the_tests

if __name__ == "__main__":
    go_by_the_tests()  # before the imports
    from server.__main__ import main
    from tests.faults.kinds import newer

    sys.exit(main(newer))
