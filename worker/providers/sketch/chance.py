"""All randomness of the painter: named streams that follow from one key, the same on every run and machine."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from worker.providers.sketch.canvas import Field

T = TypeVar("T")

_WORD = 2.0**32


class Chance:
    """Streams by label, each independent of the others and of the order in which they are asked for.

    SHAKE-256 of key and label: unlike a generator of numpy, it is fixed by a standard (FIPS 202).
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def bytes(self, label: str, count: int) -> bytes:
        return hashlib.shake_256(self._key + b"/" + label.encode()).digest(count)

    def many(self, label: str, count: int) -> Field:
        """Numbers from 0 to below 1."""
        words = np.frombuffer(self.bytes(label, 4 * count), dtype="<u4")
        return (words / _WORD).astype(np.float32)

    def one(self, label: str, low: float = 0.0, high: float = 1.0) -> float:
        """One number from `low` to below `high`."""
        return low + (high - low) * int.from_bytes(self.bytes(label, 4), "little") / _WORD

    def pick(self, label: str, options: Sequence[T]) -> T:
        return options[int(self.one(label) * len(options))]

    def child(self, label: str) -> Chance:
        """A source of its own under this label."""
        return Chance(self.bytes(label, 32))
