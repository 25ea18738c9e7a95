"""`python -m tests.faults.work`: the real worker process with the kinds of the fault tests, by their clock if they have one."""

from __future__ import annotations

import sys

from tests.faults.clock import go_by_the_tests

if __name__ == "__main__":
    go_by_the_tests()  # before the imports
    from tests.faults.kinds import newer
    from worker.__main__ import main

    sys.exit(main(newer))
