"""Ten renditions of a master: what they take, and how alike they are, beside sharp and pyvips on the same files."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.images_photos import PHOTOS, photo_file
from bench.images_ssim import exact, jpeg, luma, ssim
from bench.peers import NotHere, ask_sharp, ask_vips
from bench.report import Figure, table
from worker.images.fit import Fit
from worker.images.platforms import PLATFORMS, Platform
from worker.images.pool import PixelPool
from worker.images.provenance import SourceType
from worker.images.render import Renderer, Rendition
from worker.providers import ImageRequest
from worker.providers.sketch import SketchProvider

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PROMPTS = ("mountains at dusk", "a city at night", "coffee and fruit on a table")
SIDE = 1024
THREADS = 2
ROUNDS = 3
QUALITY = 85
COUNT = 10


Lumas = list[NDArray[np.float32]]
"""One master's renditions."""


class Took(NamedTuple):
    """Milliseconds for one rendition, the master's decoding shared among the ten."""

    cpu: float
    wall: float


class Peer(NamedTuple):
    """What a peer answered, or why it did not; `folder` holds its files."""

    name: str
    ask: Callable[[dict[str, Any]], Any]
    folder: Path


def distinct() -> list[Platform]:
    """The first ten platforms of the table that differ in their size."""
    by_size: dict[tuple[int, int], Platform] = {}
    for platform in PLATFORMS:
        by_size.setdefault((platform.width, platform.height), platform)
    return list(by_size.values())[:COUNT]


def run() -> None:
    """Print the figures of rendering, and the similarity of what was rendered."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        made = asyncio.run(_sketches())
        sketches = _write(Path(folder), made)
        peers = [Peer("sharp", ask_sharp, Path(folder, "sharp")), Peer("pyvips", ask_vips, Path(folder, "pyvips"))]
        for peer in peers:
            peer.folder.mkdir()
        rounds = [(asyncio.run(_ours(made)), *(_theirs(peer, sketches) for peer in peers)) for _ in range(ROUNDS)]
        _print_times([list(times) for times in zip(*rounds, strict=True)], [peer.name for peer in peers])
        try:
            photos = [photo_file(photo) for photo in PHOTOS]
        except NotHere as reason:
            print(f"\n{reason}: likeness is measured without photos")
            photos = []
        _print_likeness([*sketches, *photos], peers)


def _print_times(times: Sequence[list[Took | str]], peers: Sequence[str]) -> None:
    def beside(read: Callable[[Took], float]) -> str:
        return ", ".join(
            f"{name} {_median(took, read):.1f} ms" if all(isinstance(each, Took) for each in took) else f"{took[0]}"
            for name, took in zip(peers, times[1:], strict=True)
        )

    def cpu(took: Took) -> float:
        return took.cpu

    def wall(took: Took) -> float:
        return took.wall

    table(
        f"images: {COUNT} renditions of a {SIDE}² PNG master, cut around the middle, JPEG {QUALITY}, {THREADS} threads; "
        f"for one rendition, median of {len(PROMPTS)} masters × {ROUNDS} rounds",
        [
            Figure("processor time", f"{_median(times[0], cpu):.1f} ms", "≤ 21 ms", beside(cpu)),
            Figure("time that passes", f"{_median(times[0], wall):.1f} ms", "≤ 13 ms", beside(wall)),
        ],
    )


def _print_likeness(masters: Sequence[Path], peers: Sequence[Peer]) -> None:
    ours = asyncio.run(_all_renditions([path.read_bytes() for path in masters]))
    drawn = [[luma(made.data) for made in renditions] for renditions in ours]
    sources = [luma(path.read_bytes()) for path in masters]
    precise = [
        [exact(source, made.box, made.width, made.height) for made in renditions]
        for source, renditions in zip(sources, ours, strict=True)
    ]
    encoded = [[jpeg(values, QUALITY) for values in master] for master in precise]
    theirs: list[tuple[str, list[Lumas] | str]] = [(peer.name, _drawn_by(peer, masters)) for peer in peers]

    def beside(reference: list[Lumas]) -> str:
        return ", ".join(
            found if isinstance(found, str) else f"{name} {_likeness(found, reference)}" for name, found in theirs
        )

    table(
        f"images: likeness (SSIM) of the same renditions, {len(masters)} masters, {len(masters) - len(PROMPTS)} of them photos",
        [
            Figure("to an exact Lanczos, encoded alike", _likeness(drawn, encoded), "≥ 0.98", beside(encoded)),
            Figure("to an exact Lanczos, not encoded", _likeness(drawn, precise), "", beside(precise)),
            *(
                Figure(f"to {name}'s", found if isinstance(found, str) else _likeness(drawn, found))
                for name, found in theirs
            ),
        ],
    )


def _likeness(some: list[Lumas], others: list[Lumas]) -> str:
    found = [ssim(*pair) for one, other in zip(some, others, strict=True) for pair in zip(one, other, strict=True)]
    return f"{statistics.mean(found):.3f} (least {min(found):.3f})"


def _drawn_by(peer: Peer, masters: Sequence[Path]) -> list[Lumas] | str:
    try:
        peer.ask(_task(masters, peer.folder))
    except NotHere as reason:
        return str(reason)
    files = [[peer.folder / f"{number}-{at}.jpg" for at in range(COUNT)] for number in range(len(masters))]
    return [[luma(file.read_bytes()) for file in row] for row in files]


def _median(times: Sequence[Took | str], read: Callable[[Took], float]) -> float:
    return statistics.median(read(took) for took in times if isinstance(took, Took))


async def _sketches() -> list[bytes]:
    async with PixelPool(THREADS) as pool:
        painter = SketchProvider(pool)
        made = [await painter.generate(ImageRequest(prompt, SIDE, SIDE), lambda _share: None) for prompt in PROMPTS]
    return [picture.data for picture in made]


def _write(folder: Path, pictures: Sequence[bytes]) -> list[Path]:
    paths = [folder / f"master-{number}.png" for number in range(len(pictures))]
    for path, data in zip(paths, pictures, strict=True):
        path.write_bytes(data)
    return paths


async def _ours(pictures: Sequence[bytes]) -> Took:
    """From a master's bytes to ten files; without the badge, which the peers do not draw either."""
    took: list[Took] = []
    async with PixelPool(THREADS) as pool:
        renderer = Renderer(pool)
        await _renditions(renderer, pictures[0])
        for data in pictures:
            cpu, wall = time.process_time(), time.perf_counter()
            await _renditions(renderer, data)
            share = 1000 / COUNT
            took.append(Took((time.process_time() - cpu) * share, (time.perf_counter() - wall) * share))
    return Took(*(statistics.median(values) for values in zip(*took, strict=True)))


async def _renditions(renderer: Renderer, data: bytes) -> list[Rendition]:
    master = await renderer.decode(data, SourceType.TRAINED)
    return await asyncio.gather(
        *(renderer.render(master, platform, fit=Fit.CENTRE) for platform in distinct()),
    )


async def _all_renditions(masters: Sequence[bytes]) -> list[list[Rendition]]:
    async with PixelPool(THREADS) as pool:
        renderer = Renderer(pool)
        return [await _renditions(renderer, data) for data in masters]


def _theirs(peer: Peer, masters: Sequence[Path]) -> Took | str:
    """The quicker of the peer's ways, median of the masters; a sentence when it cannot be had."""
    try:
        answer: dict[str, Any] = peer.ask(_task(masters, peer.folder))
    except NotHere as reason:
        return str(reason)
    ways = [Took(*(statistics.median(values) for values in zip(*way, strict=True))) for way in answer["ways"].values()]
    return Took(min(way.cpu for way in ways), min(way.wall for way in ways))


def _task(masters: Sequence[Path], folder: Path) -> dict[str, Any]:
    sizes = [(platform.width, platform.height) for platform in distinct()]
    return {"masters": [str(path) for path in masters], "sizes": sizes, "quality": QUALITY, "folder": str(folder)}
