"""What each platform wants to be given: one dated table, and lookups in it by name.

The server reads this table too, so nothing heavy is imported here. A megabyte is 1,000,000 bytes, the smaller of its
two meanings, so that a platform which counts in the other one is content as well.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Literal

from snapasset.errors import BadConfiguration, UnknownPlatform

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Format = Literal["JPEG", "PNG", "WEBP", "AVIF"]

_MB = 1_000_000
_STORY_CHROME = 250
"""Pixels that a story's own header and footer may cover at the top and at the bottom."""


@dataclass(frozen=True, slots=True)
class Zone:
    """A rectangle of a rendition, in its pixels, which the platform covers: keep words and faces out of it."""

    covered_by: str
    left: int
    top: int
    right: int
    bottom: int


@dataclass(frozen=True, slots=True)
class Platform:
    """One place a picture can be posted to.

    Attributes:
        name: stable, kebab-case; stored with each rendition.
        network: the company's product that it belongs to, for grouping.
        width: pixels; `height` likewise.
        format: what the file is encoded as.
        max_bytes: the platform refuses larger files.
        aim_bytes: the size to aim at, where smaller than the cap; quality is lowered only a little for it.
        zones: what the platform covers.
    """

    name: str
    network: str
    width: int
    height: int
    max_bytes: int
    format: Format = "JPEG"
    aim_bytes: int | None = None
    zones: tuple[Zone, ...] = ()

    @property
    def aspect(self) -> float:
        """Width over height."""
        return self.width / self.height


class PlatformTable:
    """Platforms by name, in a fixed order, as they were known on a date.

    Raises `BadConfiguration` when two share a name.
    """

    def __init__(self, as_of: date, platforms: Iterable[Platform]) -> None:
        self.as_of = as_of
        self._by_name: dict[str, Platform] = {}
        for platform in platforms:
            if platform.name in self._by_name:
                raise BadConfiguration(f"the platform {platform.name!r} is listed twice")
            self._by_name[platform.name] = platform

    def __iter__(self) -> Iterator[Platform]:
        return iter(self._by_name.values())

    def __len__(self) -> int:
        return len(self._by_name)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._by_name)

    def get(self, name: str) -> Platform:
        """The platform by its name. Raises `UnknownPlatform`, which names those that are spelt alike."""
        found = self._by_name.get(name)
        if found is None:
            raise UnknownPlatform(self._complaint(name))
        return found

    def pick(self, names: Iterable[str]) -> tuple[Platform, ...]:
        """The platforms by their names, each once, in the order asked for.

        Raises `UnknownPlatform` with a complaint for each name that is not known (`fields`: name's position → complaint).
        """
        picked: dict[str, Platform] = {}
        unknown: dict[str, str] = {}
        for position, name in enumerate(names):
            if name in self._by_name:
                picked[name] = self._by_name[name]
            else:
                unknown[f"platforms.{position}"] = self._complaint(name)
        if unknown:
            raise UnknownPlatform(" ".join(unknown.values()), fields=unknown)
        return tuple(picked.values())

    def _complaint(self, name: str) -> str:
        spoken = name[:60]
        wanted = spoken.casefold().replace("_", "-").replace(" ", "-")
        near = difflib.get_close_matches(wanted, self._by_name, n=3, cutoff=0.6)
        if not near:
            near = [known for known in self._by_name if wanted and wanted in known][:3]
        hint = f" Did you mean {' or '.join(near)}?" if near else ""
        return f"There is no platform named {spoken!r}.{hint}"


def _story(width: int, height: int) -> tuple[Zone, ...]:
    return (
        Zone("header", 0, 0, width, _STORY_CHROME),
        Zone("footer", 0, height - _STORY_CHROME, width, height),
    )


def _avatar(width: int, height: int) -> tuple[Zone, ...]:
    """A profile's picture lies over the lower left of its header: the lower half, up to a quarter of the width."""
    return (Zone("avatar", 0, height // 2, width // 4, height),)


PLATFORMS = PlatformTable(
    date(2026, 11, 1),
    (
        Platform("instagram-post", "Instagram", 1080, 1080, 8 * _MB),
        Platform("instagram-portrait", "Instagram", 1080, 1350, 8 * _MB),
        Platform("instagram-story", "Instagram", 1080, 1920, 8 * _MB, zones=_story(1080, 1920)),
        Platform("reel-cover", "Instagram", 1080, 1920, 8 * _MB, zones=_story(1080, 1920)),
        Platform("facebook-post", "Facebook", 1200, 630, 4 * _MB),
        Platform("facebook-cover", "Facebook", 1640, 624, 4 * _MB, zones=_avatar(1640, 624)),
        Platform("facebook-story", "Facebook", 1080, 1920, 4 * _MB, zones=_story(1080, 1920)),
        Platform("twitter-post", "X (Twitter)", 1200, 675, 5 * _MB),
        Platform("twitter-header", "X (Twitter)", 1500, 500, 5 * _MB, zones=_avatar(1500, 500)),
        Platform("linkedin-post", "LinkedIn", 1200, 627, 5 * _MB),
        Platform("linkedin-cover", "LinkedIn", 1128, 191, 3 * _MB, zones=_avatar(1128, 191)),
        Platform("pinterest-pin", "Pinterest", 1000, 1500, 20 * _MB),
        Platform(
            "youtube-thumbnail", "YouTube", 1280, 720, 2 * _MB, zones=(Zone("running time", 1120, 640, 1280, 720),)
        ),
        Platform("youtube-banner", "YouTube", 2560, 1440, 6 * _MB),
        Platform("tiktok-cover", "TikTok", 1080, 1920, 20 * _MB, zones=_story(1080, 1920)),
        Platform("threads-post", "Threads", 1080, 1350, 8 * _MB),
        Platform("bluesky-post", "Bluesky", 1200, 675, 2_000_000),
        Platform("open-graph", "Link preview", 1200, 630, 5 * _MB, aim_bytes=300_000),
    ),
)
