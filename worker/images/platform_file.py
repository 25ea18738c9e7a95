"""A deployment's own platforms: a JSON file, named by PLATFORMS_FILE, that is laid over the built-in table. Light.

    {"asOf": "2026-11-01", "keepBuiltIn": true, "platforms": [
        {"name": "shop-banner", "network": "Shop", "width": 1600, "height": 400, "maxBytes": 500000, "format": "WEBP",
         "aimBytes": 200000, "zones": [{"coveredBy": "logo", "left": 0, "top": 0, "right": 300, "bottom": 400}]},
        {"name": "twitter-header", "remove": true}]}

An entry takes the whole place of the built-in one of its name, or is new and comes at the end. What is wrong is said
by the number of its entry; nothing that the file holds is repeated, for the path may be mistaken.
"""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING, Annotated, Literal, cast

from pydantic import AfterValidator, Discriminator, Field, Tag, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from snapasset.errors import BadConfiguration
from snapasset.job_type import Wire
from worker.images.platforms import PLATFORMS, Format, Platform, PlatformTable, Zone

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic_core import ErrorDetails

MAX_PLATFORMS = 200

_MAX_FILE = 1_000_000
_MAX_PIXELS = 40_000_000
_MAX_NAME = 60
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_RESERVED = {"master", "thumbnail"}
"""What a generation's other pictures are called."""
_TOLD = 5
"""Complaints in one sentence, at most."""


def _check_name(name: str) -> str:
    if len(name) > _MAX_NAME or not _NAME.fullmatch(name):
        raise PydanticCustomError("name", "a name is kebab-case, as in my-banner, of at most 60 characters")
    if name in _RESERVED:
        raise PydanticCustomError("name", "this name is taken by another picture of each generation")
    return name


Name = Annotated[str, AfterValidator(_check_name)]
Words = Annotated[str, Field(min_length=1, max_length=60)]
Side = Annotated[int, Field(ge=16, le=8_192)]
Edge = Annotated[int, Field(ge=0)]
Bytes = Annotated[int, Field(ge=10_000)]


class _Zone(Wire):
    covered_by: Words
    left: Edge
    top: Edge
    right: Edge
    bottom: Edge


class _Given(Wire):
    name: Name
    network: Words
    width: Side
    height: Side
    max_bytes: Bytes
    format: Format = "JPEG"
    aim_bytes: Bytes | None = None
    zones: Annotated[tuple[_Zone, ...], Field(max_length=20)] = ()

    @model_validator(mode="after")
    def _check_together(self) -> _Given:
        if self.width * self.height > _MAX_PIXELS:
            raise PydanticCustomError("pixels", "a platform has at most 40 megapixels")
        if self.aim_bytes is not None and self.aim_bytes > self.max_bytes:
            raise PydanticCustomError("aim", "aimBytes is above maxBytes")
        for zone in self.zones:
            if not (zone.left < zone.right <= self.width and zone.top < zone.bottom <= self.height):
                raise PydanticCustomError("zone", "a zone is empty or not inside the picture")
        return self

    def platform(self) -> Platform:
        zones = tuple(Zone(each.covered_by, each.left, each.top, each.right, each.bottom) for each in self.zones)
        return Platform(
            name=self.name,
            network=self.network,
            width=self.width,
            height=self.height,
            max_bytes=self.max_bytes,
            format=self.format,
            aim_bytes=self.aim_bytes,
            zones=zones,
        )


class _Removed(Wire):
    name: Name
    remove: Literal[True]


_GIVEN, _REMOVED = "given", "removed"


def _sort_of(entry: object) -> str:
    return _REMOVED if isinstance(entry, dict) and "remove" in entry else _GIVEN


_Entry = Annotated[Annotated[_Given, Tag(_GIVEN)] | Annotated[_Removed, Tag(_REMOVED)], Discriminator(_sort_of)]


class _File(Wire):
    as_of: date
    platforms: tuple[_Entry, ...]
    keep_built_in: bool = True


def load_platforms(path: Path | None) -> PlatformTable:
    """The platforms of a deployment: those of the file, over the built-in ones; without a file, the built-in ones.

    Raises `BadConfiguration` when the file cannot be read or breaks a rule.
    """
    if path is None:
        return PLATFORMS
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_FILE + 1)
    except (OSError, ValueError):
        raise BadConfiguration("PLATFORMS_FILE names no file that can be read.") from None
    if len(data) > _MAX_FILE:
        raise BadConfiguration("PLATFORMS_FILE names a file of more than a megabyte.")
    try:
        return platforms_from(data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise BadConfiguration("PLATFORMS_FILE: it is not UTF-8.") from None


def platforms_from(text: str, built_in: PlatformTable = PLATFORMS) -> PlatformTable:
    """The table that a file's text makes of the built-in one. Raises `BadConfiguration`."""
    try:
        file = _File.model_validate_json(text)
    except ValidationError as error:
        complaints = dict.fromkeys(map(_complaint, error.errors(include_url=False, include_input=False)))
        raise BadConfiguration(f"PLATFORMS_FILE: {'; '.join(list(complaints)[:_TOLD])}.") from None
    platforms = {each.name: each for each in built_in} if file.keep_built_in else {}
    seen: set[str] = set()
    for number, entry in enumerate(file.platforms, 1):
        if entry.name in seen:
            raise BadConfiguration(f"PLATFORMS_FILE: entry {number}: its name stands in an earlier entry already.")
        seen.add(entry.name)
        if isinstance(entry, _Given):
            platforms[entry.name] = entry.platform()
        elif platforms.pop(entry.name, None) is None:
            raise BadConfiguration(f"PLATFORMS_FILE: entry {number}: there is no such platform to remove.")
    if not 1 <= len(platforms) <= MAX_PLATFORMS:
        raise BadConfiguration(
            f"PLATFORMS_FILE: it leaves {len(platforms)} platforms; 1 to {MAX_PLATFORMS} can be had."
        )
    return PlatformTable(file.as_of, platforms.values())


def _complaint(error: ErrorDetails) -> str:
    """What is wrong and in which entry. Names of fields are told only where they are ours."""
    place = [part for part in error["loc"] if part not in {_GIVEN, _REMOVED}]
    match error["type"]:
        case "json_invalid":
            return "it is not JSON"
        case "extra_forbidden":
            place, said = place[:-1], "it has a field that is not known"
        case _:
            said = error["msg"][:1].lower() + error["msg"][1:]
    where = ""
    if place[:1] == ["platforms"] and len(place) > 1:
        where, place = f"entry {cast('int', place[1]) + 1}: ", place[2:]
    field = "".join(f"{part + 1}: " if isinstance(part, int) else f"{part}: " for part in place)
    return f"{where}{field}{said}"
