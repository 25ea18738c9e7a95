"""Where to cut: a cover crop keeps all of one axis and slides along the other.

Because a crop slides along one axis only, all that is kept of the energy map of a master are its sums by column and by
row; they serve every platform. A focal point that is given wins over the map, and always stays inside the crop.
What is not cut is fitted in: that is the same arithmetic the other way about.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from worker.images.attention import energy_of

if TYPE_CHECKING:
    from PIL import Image

    from worker.images.planning import Size, Target

_BALANCE = 0.1
"""The share of all energy that a crop must gain to be worth leaving what it shows at its edge, a whole side away."""


Area = tuple[int, int, int, int]
"""Left, top, right, bottom of a rectangle of a rendition, in its pixels."""


class Box(NamedTuple):
    """A rectangle of the master in its pixels, not necessarily whole ones, as Pillow's `resize` takes it."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        return self.right - self.left

    @property
    def height(self) -> float:
        return self.bottom - self.top


@dataclass(frozen=True, slots=True)
class Attention:
    """What there is to see, summed by column and by row of the energy map."""

    columns: tuple[float, ...]
    rows: tuple[float, ...]

    def centre(self, across: float, down: float) -> tuple[float, float]:
        """The centre (0 to 1 on each axis) of the window with most to see that has these shares of the sides."""
        return _best_window(self.columns, across), _best_window(self.rows, down)


def attention_of(image: Image.Image) -> Attention:
    """Measure a picture (RGB or RGBA), once for all that is cut from it."""
    energy = energy_of(image)
    return Attention(tuple(energy.sum(axis=0).tolist()), tuple(energy.sum(axis=1).tolist()))


def cover_box(master: Size, target: Target, centre: tuple[float, float]) -> Box:
    """The largest box of the target's aspect inside the master, centred on a point (0 to 1) as nearly as the sides let.

    The point is inside the box or on its edge.
    """
    scale = min(master.width / target.width, master.height / target.height)
    width = min(target.width * scale, master.width)
    height = min(target.height * scale, master.height)
    return place(master, width, height, centre)


def place(master: Size, width: float, height: float, centre: tuple[float, float]) -> Box:
    """A box of this width and height, not larger than the master, moved over the point as far as the sides let."""
    left = _slide(centre[0] * master.width, width, master.width)
    top = _slide(centre[1] * master.height, height, master.height)
    return Box(left, top, min(left + width, master.width), min(top + height, master.height))


def attention_box(master: Size, target: Target, attention: Attention) -> Box:
    """The cover box that shows most of what there is to see."""
    box = cover_box(master, target, (0.5, 0.5))
    return cover_box(master, target, attention.centre(box.width / master.width, box.height / master.height))


def fitted(master: Size, target: Target) -> Area:
    """Where the whole master lies, as large as it can be, in the middle of the target; one of its axes is full."""
    scale = min(target.width / master.width, target.height / master.height)
    width = min(target.width, max(1, round(master.width * scale)))
    height = min(target.height, max(1, round(master.height * scale)))
    left, top = (target.width - width) // 2, (target.height - height) // 2
    return left, top, left + width, top + height


def _slide(middle: float, length: float, room: float) -> float:
    return max(0.0, min(middle - length / 2, room - length))


def _best_window(profile: tuple[float, ...], share: float) -> float:
    """The middle (0 to 1) of the window of `share` of the profile that holds most, and that in its middle if it can."""
    length = len(profile)
    window = max(1, min(length, round(share * length)))
    room = length - window
    sums = [0.0, *accumulate(profile)]
    total = sums[-1]
    if room == 0 or total <= 0:
        return 0.5
    balance = sum((place + 0.5) * value for place, value in enumerate(profile)) / total

    def worth(start: int) -> float:
        return (sums[start + window] - sums[start]) / total - _BALANCE * abs(start + window / 2 - balance) / length

    return (max(range(room + 1), key=worth) + window / 2) / length
