"""What a process does about a signal that comes before it can do anything else.

Its imports take most of a second. As process 1 of a container it would miss a SIGTERM meanwhile, because the kernel drops the
signals that nobody has asked for, and be killed when the patience of whoever stops it is over. Only the first moments
of Python itself are left. So this imports next to nothing, and the entry points call it before their other imports.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType


def end_when_told() -> None:
    """Have SIGTERM end the process with status 0, until `snapasset.process.told_to_stop` sees to it: nothing is open yet.

    Not when the process was started to do something and end: whoever reads its status would believe that it is done.
    """
    if not sys.argv[1:]:
        signal.signal(signal.SIGTERM, _end)


def _end(_number: int, _frame: FrameType | None) -> None:
    os._exit(0)
