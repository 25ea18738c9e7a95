"""`python3 dev.py pictures [sheets|studio]`: makes the pictures of the README anew, with everything as it is.

Each sheet is one prompt: its one master, cut for every platform that the table knows, to scale. Those of the studio need a
browser, a Node and a Redis besides.
"""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from PIL import Image, ImageDraw, ImageFont

from docs import make_screens
from worker.images.platforms import PLATFORMS
from worker.images.pool import PixelPool
from worker.images.render import Renderer
from worker.providers import ImageRequest
from worker.providers.sketch import SketchProvider

if TYPE_CHECKING:
    from worker.images.render import Rendition

FOLDER: Final = Path(__file__).with_name("pictures")

SHEETS: Final = {
    "mountains": "mountains above a lake at dusk, warm, one cabin with a lit window",
    "lighthouse": "a lighthouse on a cliff after the storm, low golden sun, gulls",
    "city": "a rainy city at night, neon, reflections in the street",
}

_WIDTH: Final = 1_600
_MARGIN: Final = 40
_GAP: Final = 22
_LABEL: Final = 34
_TALLEST: Final = 300
_SCALE: Final = 0.155
"""Pixels of the sheet for each pixel of a rendition: all of them to one scale, so that their sizes can be compared."""
_PAPER: Final = (246, 245, 241)
_INK: Final = (38, 40, 44)
_FAINT: Final = (120, 122, 126)
_QUALITY: Final = 82


@dataclass(frozen=True, slots=True)
class _Cell:
    picture: Image.Image
    name: str
    size: str

    @property
    def width(self) -> int:
        words = max(_font(15).getlength(self.name), _font(13).getlength(self.size))
        return max(self.picture.width, round(words))


def main(names: list[str]) -> int:
    """Make those that are named, all without a name."""
    makers = {"sheets": make_sheets, "studio": make_screens.main}
    if unknown := [name for name in names if name not in makers]:
        print(f"no such pictures: {', '.join(unknown)}; there are: {', '.join(makers)}", file=sys.stderr)
        return 2
    for name in names or makers:
        try:
            makers[name]()
        except pytest.skip.Exception as reason:
            print(f"{name}: not made, {reason}", file=sys.stderr)
            return 1
    return 0


def make_sheets() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, prompt in SHEETS.items():
        renditions = asyncio.run(_make(prompt))
        path = FOLDER / f"{name}.webp"
        _sheet(prompt, renditions).save(path, "WEBP", quality=_QUALITY, method=6)
        print(f"{path.relative_to(FOLDER.parents[1])}: {len(renditions)} platforms, {path.stat().st_size:,} bytes")


async def _make(prompt: str) -> list[Rendition]:
    async with PixelPool() as pool:
        provider, renderer = SketchProvider(pool), Renderer(pool)
        platforms = tuple(PLATFORMS)
        size = provider.plan_size(platforms)
        request = ImageRequest(prompt=prompt, width=size.width, height=size.height)
        made = await provider.generate(request, lambda _: None)
        master = await renderer.decode(made.data, made.source)
        return [await renderer.render(master, platform, focal=made.focal) for platform in platforms]


def _sheet(prompt: str, renditions: list[Rendition]) -> Image.Image:
    cells = sorted((_cell(rendition) for rendition in renditions), key=lambda cell: -cell.picture.height)
    rows = _rows(cells)
    height = 2 * _MARGIN + 58 + sum(row[0].picture.height + _LABEL + _GAP for row in rows)
    sheet = Image.new("RGB", (_WIDTH, height), _PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text(
        (_MARGIN, _MARGIN), f"\N{LEFT DOUBLE QUOTATION MARK}{prompt}\N{RIGHT DOUBLE QUOTATION MARK}", _INK, _font(24)
    )
    top = _MARGIN + 58
    for row in rows:
        left = float(_MARGIN)
        # The space that is left over goes between the pictures, but for the last row, which may be short.
        spare = _WIDTH - 2 * _MARGIN - sum(cell.width for cell in row)
        gap = _GAP if row is rows[-1] or len(row) == 1 else spare / (len(row) - 1)
        for cell in row:
            below = top + row[0].picture.height
            sheet.paste(cell.picture, (round(left), below - cell.picture.height))
            draw.text((left, below + 5), cell.name, _INK, _font(15))
            draw.text((left, below + 20), cell.size, _FAINT, _font(13))
            left += cell.width + gap
        top += row[0].picture.height + _LABEL + _GAP
    return sheet


def _cell(rendition: Rendition) -> _Cell:
    with Image.open(BytesIO(rendition.data)) as image:
        scale = min(_SCALE, _TALLEST / image.height)
        size = (round(image.width * scale), round(image.height * scale))
        picture = image.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    fitted = " \N{MIDDLE DOT} fitted in" if rendition.fit.value == "contain" else ""
    return _Cell(picture, rendition.platform, f"{rendition.width} x {rendition.height}{fitted}")


def _rows(cells: list[_Cell]) -> list[list[_Cell]]:
    rows: list[list[_Cell]] = [[]]
    room = _WIDTH - 2 * _MARGIN
    for cell in cells:
        if rows[-1] and sum(one.width + _GAP for one in rows[-1]) + cell.width > room:
            rows.append([])
        rows[-1].append(cell)
    return rows


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
