"""How a master is to be cut: what every kind that makes renditions takes, as the API checks it and the record keeps it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from snapasset.errors import UnknownPlatform
from snapasset.job_type import Wire
from worker.images.fit import Fit

if TYPE_CHECKING:
    from pydantic.config import JsonDict

    from worker.images.compose import Colour, Point
    from worker.images.platforms import Platform, PlatformTable


class FocalPoint(Wire):
    """The point that a crop keeps: 0 to 1 from the left and from the top."""

    x: Annotated[float, Field(ge=0, le=1)]
    y: Annotated[float, Field(ge=0, le=1)]

    @property
    def point(self) -> Point:
        return self.x, self.y


class Cut(Wire):
    """The platforms that are wanted, and how the master fills their shapes. Use `platforms_of` for a field that checks.

    `background` is a colour as in `#f4f1ea`: what is fitted in lies on it, and so do transparent parts.
    """

    platforms: tuple[str, ...]
    fit: Fit = Fit.COVER
    focal_point: FocalPoint | None = None
    background: Annotated[str, Field(pattern=r"^#[0-9A-Fa-f]{6}$")] | None = None

    @property
    def focal(self) -> Point | None:
        return None if self.focal_point is None else self.focal_point.point

    @property
    def ground(self) -> Colour | None:
        if self.background is None:
            return None
        red, green, blue = bytes.fromhex(self.background[1:])
        return red, green, blue


def platforms_of(table: PlatformTable) -> Any:  # noqa: ANN401  a type made at run time
    """The type of a field `platforms`: one or more of this table's names, each once.

    Its JSON schema lists the platforms with their sizes under `x-platforms`, for whoever draws a picker.
    """

    def check_platform(name: str) -> str:
        try:
            return table.get(name).name
        except UnknownPlatform as error:
            raise PydanticCustomError("unknown_platform", "{complaint}", {"complaint": error.detail}) from None

    def check_distinct(names: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(names)) < len(names):
            raise PydanticCustomError("repeated", "Each platform may be named once.")
        return names

    name = Annotated[str, AfterValidator(check_platform), WithJsonSchema({"type": "string", "enum": list(table.names)})]
    drawn: JsonDict = {"uniqueItems": True, "x-platforms": [_drawn(platform) for platform in table]}
    return Annotated[
        tuple[name, ...],
        Field(min_length=1, max_length=len(table), json_schema_extra=drawn),
        AfterValidator(check_distinct),
    ]


def _drawn(platform: Platform) -> JsonDict:
    return {
        "name": platform.name,
        "network": platform.network,
        "width": platform.width,
        "height": platform.height,
        "format": platform.format,
        "zones": [
            {
                "coveredBy": zone.covered_by,
                "left": zone.left,
                "top": zone.top,
                "right": zone.right,
                "bottom": zone.bottom,
            }
            for zone in platform.zones
        ],
    }
