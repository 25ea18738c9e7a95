"""Whether Redis counts as there: changed only by what is certain, so that nothing flaps.

Invariant: one answer that fails to come changes nothing, and one that comes neither. It is gone after two in a row that
failed; it is back after three in a row that came, over a while. A Redis that stands still is found out within three times
the pause between probes: what an answer is waited for counts as a pause.
"""

from __future__ import annotations

from typing import Final

_FAILURES: Final = 2
_SUCCESSES: Final = 3


class Presence:
    """Takes note of probes. `there` is the judgement, `answered` what the last probe said."""

    def __init__(self, return_seconds: float, *, there: bool) -> None:
        """`return_seconds`: how long it must have answered before it counts as back."""
        self.there = there
        self.answered = there
        self._return_seconds = return_seconds
        self._failed = 0
        self._came = 0
        self._since = 0.0

    @property
    def certain(self) -> bool:
        """Whether it is there, and nothing speaks against it."""
        return self.there and self.answered

    def pause(self, seconds: float, took: float) -> float:
        """Seconds until the next probe: `seconds` while nothing is wrong, else half of it, less what the last one `took`."""
        return seconds if self.certain else max(0.0, seconds / 2 - took)

    def failed(self) -> bool:
        """A probe got no answer; whether that changed the judgement."""
        self.answered = False
        self._came = 0
        self._failed += 1
        if not self.there or self._failed < _FAILURES:
            return False
        self.there = False
        return True

    def came(self, now: float) -> bool:
        """A probe was answered at `now`, in seconds of any clock that only goes forward; whether that changed it."""
        self.answered = True
        self._failed = 0
        self._since = now if self._came == 0 else self._since
        self._came += 1
        if self.there or self._came < _SUCCESSES or now - self._since < self._return_seconds:
            return False
        self.there = True
        return True
