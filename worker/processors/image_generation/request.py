"""What an image-generation job takes, as the API checks it and the record keeps it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, Field, WithJsonSchema, create_model
from pydantic_core import PydanticCustomError

from snapasset.job_type import Wire
from worker.providers import ImageType
from worker.renditions.request import Cut, platforms_of

if TYPE_CHECKING:
    from worker.images.platforms import PlatformTable


class _Described(Wire):
    prompt: str
    image_type: ImageType = ImageType.VIVID
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    reuse: bool = False


class GenerateImage(Cut, _Described):
    """One picture, described in words, cut for platforms. Use `request_model` for one that knows the limits.

    Another `seed` is another picture of the same words. With `reuse`, a master of the caller's that was made from just the
    same is taken again instead of paying for another.
    """


def request_model(table: PlatformTable, prompt_max_length: int) -> type[GenerateImage]:
    """`GenerateImage` with this deployment's platforms and longest prompt (in characters) as its rules."""

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

    prompt = Annotated[
        str,
        AfterValidator(check_prompt),
        WithJsonSchema({"type": "string", "minLength": 1, "maxLength": prompt_max_length, "pattern": r"\S"}),
    ]
    return create_model(
        "GenerateImage", __base__=GenerateImage, prompt=(prompt, ...), platforms=(platforms_of(table), ...)
    )
