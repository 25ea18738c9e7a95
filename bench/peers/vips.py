"""The peer: pyvips cuts each master to each size around its middle and writes a JPEG, as kindly to it as we know how.

Task on stdin: {masters: [path], sizes: [[width, height]], quality, folder}. Answer: {version, ways: {name: [[cpu ms,
wall ms] a master, each for one rendition]}}. The files of the first way lie in folder as <master>-<size>.jpg.

A program of its own, outside the types' reach: pyvips is only there when it runs.
"""
# pyright: basic

from __future__ import annotations

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pyvips  # pyright: ignore[reportMissingImports]

if TYPE_CHECKING:
    from collections.abc import Callable

TASK = json.load(sys.stdin)
THREADS = ThreadPoolExecutor(2)


def from_the_file(data: bytes) -> list[bytes]:
    def cut(size: list[int]) -> bytes:
        image = pyvips.Image.thumbnail_buffer(data, size[0], height=size[1], crop="centre")
        return image.jpegsave_buffer(Q=TASK["quality"])

    return list(THREADS.map(cut, TASK["sizes"]))


def decoded_once(data: bytes) -> list[bytes]:
    """Cut before it is scaled, which `thumbnail` does the other way about."""
    master = pyvips.Image.new_from_buffer(data, "").copy_memory()

    def cut(size: list[int]) -> bytes:
        scale = min(master.width / size[0], master.height / size[1])
        width, height = round(size[0] * scale), round(size[1] * scale)
        box = master.crop(round((master.width - width) / 2), round((master.height - height) / 2), width, height)
        image = box.resize(size[0] / width, vscale=size[1] / height)
        return image.jpegsave_buffer(Q=TASK["quality"])

    return list(THREADS.map(cut, TASK["sizes"]))


def measure(way: Callable[[bytes], list[bytes]], folder: Path) -> list[tuple[float, float]]:
    took = []
    for number, path in enumerate(TASK["masters"]):
        data = Path(path).read_bytes()
        if number == 0:
            way(data)
        cpu, started = time.process_time(), time.perf_counter()
        files = way(data)
        share = 1000 / len(files)
        took.append(((time.process_time() - cpu) * share, (time.perf_counter() - started) * share))
        for at, file in enumerate(files):
            (folder / f"{number}-{at}.jpg").write_bytes(file)
    return took


def attended(path: str, size: list[int]) -> tuple[int, int]:
    """Left and top of the cut of this size that libvips lays where it sees most to look at."""
    image = pyvips.Image.new_from_file(path).smartcrop(size[0], size[1], interesting="attention")
    return -image.xoffset, -image.yoffset


pyvips.cache_set_max(0)
if "cuts" in TASK:
    print(json.dumps([attended(path, size) for path, size in TASK["cuts"]]))
else:
    ways = {"decoded once, cut before it is scaled": decoded_once, "from the file each time": from_the_file}
    version = ".".join(str(pyvips.version(part)) for part in range(3))
    took = {name: measure(way, Path(TASK["folder"])) for name, way in ways.items()}
    print(json.dumps({"version": version, "ways": took}))
