"""What cutting leaves of what a photo shows: our crop, one around a fixed point, and libvips's own."""

from __future__ import annotations

from typing import NamedTuple

from bench.images_photos import PHOTOS, kept_of, photo_file
from bench.peers import NotHere, ask_vips
from bench.report import Figure, table
from worker.images.crop import Box, cover_box
from worker.images.decode import decode
from worker.images.fit import Fit
from worker.images.platforms import PLATFORMS
from worker.images.provenance import SourceType
from worker.images.render import render

_ENOUGH = 0.8
_CENTRE = (0.5, 0.5)
_HIGH = (0.5, 0.3)
"""Where heads are: photos of people flatter a map that only knows this."""


class Cut(NamedTuple):
    """One photo for one platform: what is kept of its subject by each way to cut, and what we really do."""

    photo: str
    size: tuple[int, int]
    subject: Box
    middle: Box
    high: float
    ours: float
    delivered: Fit

    @property
    def centred(self) -> float:
        return kept_of(self.subject, self.middle)


def run() -> None:
    """Print what is kept of the subjects; say so where the photos cannot be had."""
    try:
        cuts = _cuts()
    except NotHere as reason:
        table("images: crops", [Figure("what is kept of the subject", str(reason))])
        return
    made = [cut for cut in cuts if cut.delivered is Fit.COVER]
    theirs, named = _libvips(made)
    whole = len(cuts) - len(made)
    table(
        f"images: {len(PHOTOS)} public-domain photos × {len(PLATFORMS.names)} platforms, a hand-drawn box around each subject",
        [
            Figure(
                f"mean share of the subject kept, {len(made)} cuts",
                _mean([cut.ours for cut in made]),
                "more than centred",
                f"centred {_mean([cut.centred for cut in made])}, always 30 % from the top"
                f" {_mean([cut.high for cut in made])}, {named} {_mean(theirs)}",
            ),
            Figure(
                "cuts that keep under 80 % of it",
                _under([cut.ours for cut in made]),
                "half of centred",
                f"centred {_under([cut.centred for cut in made])}, always 30 % from the top"
                f" {_under([cut.high for cut in made])}, {named} {_under(theirs)}",
            ),
            Figure(
                f"the same with the {whole} that are fitted in whole",
                f"{_mean([cut.ours for cut in cuts])}; {_under([cut.ours for cut in cuts])}",
                "",
                f"centred {_mean([cut.centred for cut in cuts])}; {_under([cut.centred for cut in cuts])}",
            ),
        ],
    )


def _cuts() -> list[Cut]:
    cuts: list[Cut] = []
    for photo in PHOTOS:
        master = decode(photo_file(photo).read_bytes(), SourceType.TRAINED)
        for platform in PLATFORMS:
            rendition = render(master, platform)
            middle = cover_box(master.size, platform, _CENTRE)
            high = kept_of(photo.subject, cover_box(master.size, platform, _HIGH))
            kept = kept_of(photo.subject, rendition.box)
            size = (round(middle.width), round(middle.height))
            cuts.append(Cut(str(photo_file(photo)), size, photo.subject, middle, high, kept, rendition.fit))
    return cuts


def _libvips(cuts: list[Cut]) -> tuple[list[float], str]:
    """What libvips keeps when it lays the same cuts where it sees most to look at."""
    try:
        corners: list[tuple[int, int]] = ask_vips({"cuts": [[cut.photo, cut.size] for cut in cuts]})
    except NotHere as reason:
        return [], f"libvips's attention ({reason})"
    boxes = [
        Box(left, top, left + cut.size[0], top + cut.size[1]) for cut, (left, top) in zip(cuts, corners, strict=True)
    ]
    return [kept_of(cut.subject, box) for cut, box in zip(cuts, boxes, strict=True)], "libvips's attention"


def _mean(shares: list[float]) -> str:
    return f"{100 * sum(shares) / len(shares):.1f} %" if shares else "not measured"


def _under(shares: list[float]) -> str:
    return f"{sum(share < _ENOUGH for share in shares)} of {len(shares)}" if shares else "not measured"
