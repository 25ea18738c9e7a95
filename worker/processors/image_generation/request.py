"""What an image-generation job takes, as the API checks it and the record keeps it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, Field, WithJsonSchema, create_model
from pydantic_core import PydanticCustomError

from snapasset.errors import UnknownPlatform
from snapasset.job_type import Wire
from worker.providers import ImageType

if TYPE_CHECKING:
    from worker.images.platforms import PlatformTable


class GenerateImage(Wire):
    """One picture, described in words, cut for platforms. Use `request_model` for one that knows the limits."""

    prompt: str
    platforms: tuple[str, ...]
    image_type: ImageType = ImageType.VIVID


def request_model(table: PlatformTable, prompt_max_length: int) -> type[GenerateImage]:
    """`GenerateImage` with this deployment's platforms and longest prompt (in characters) as its rules.

    Its JSON schema lists the platforms with their sizes under `x-platforms`, for whoever draws a picker.
    """

    def check_prompt(prompt: str) -> str:
        if not prompt.strip():
            raise PydanticCustomError("invalid_prompt", "The prompt is empty.")
        if len(prompt) > prompt_max_length:
            raise PydanticCustomError(
                "invalid_prompt",
                "The prompt has {length} characters; the most is {most}.",
                {"length": len(prompt), "most": prompt_max_length},
            )
        return prompt

    def check_platform(name: str) -> str:
        try:
            return table.get(name).name
        except UnknownPlatform as error:
            raise PydanticCustomError("unknown_platform", "{complaint}", {"complaint": error.detail}) from None

    def check_distinct(names: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(names)) < len(names):
            raise PydanticCustomError("repeated", "Each platform may be named once.")
        return names

    prompt = Annotated[
        str,
        AfterValidator(check_prompt),
        WithJsonSchema({"type": "string", "minLength": 1, "maxLength": prompt_max_length}),
    ]
    platform = Annotated[
        str, AfterValidator(check_platform), WithJsonSchema({"type": "string", "enum": list(table.names)})
    ]
    platforms = Annotated[
        tuple[platform, ...],
        Field(min_length=1, max_length=len(table), json_schema_extra=_drawn(table)),
        AfterValidator(check_distinct),
    ]
    return create_model("GenerateImage", __base__=GenerateImage, prompt=(prompt, ...), platforms=(platforms, ...))


def _drawn(table: PlatformTable) -> dict[str, Any]:
    return {
        "uniqueItems": True,
        "x-platforms": [
            {
                "name": platform.name,
                "network": platform.network,
                "width": platform.width,
                "height": platform.height,
                "format": platform.format,
            }
            for platform in table
        ],
    }
