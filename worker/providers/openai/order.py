"""A request for a picture as the fields that one server and model want: pure, nothing is sent here."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from snapasset.errors import BadConfiguration, InvalidPrompt
from worker.providers import ImageType
from worker.providers.openai.backends import BACKENDS
from worker.providers.openai.models import LONGEST_PROMPT, model_of

if TYPE_CHECKING:
    from worker.providers import ImageRequest
    from worker.providers.openai.backends import Backend

_FORMAT: Final = "png"
"""A master is kept as it came, and everything is cut from it: it is not to lose anything."""

_WORDS: Final = {
    ImageType.VIVID: "Style: vivid, with saturated colours and strong contrast.",
    ImageType.NATURAL: "Style: natural, with muted, true-to-life colours and soft contrast.",
}


class Order(NamedTuple):
    """What is sent: `fields` the SDK knows, `extra` stands in the body beside them. `previews`: how many were asked for."""

    fields: dict[str, Any]
    extra: dict[str, Any]
    previews: int


class Wishes(NamedTuple):
    """What this deployment wants of every picture. `model`: None leaves it to the server."""

    backend: Backend
    model: str | None
    quality: str
    previews: int

    def check(self) -> None:
        """Raise `BadConfiguration` for what the model does not know."""
        known = model_of(self.model).qualities
        if self.quality != "auto" and "quality" in self.backend.fields and self.quality not in known:
            raise BadConfiguration(f"IMAGE_QUALITY: this model knows {', '.join(sorted(known))} and auto.")

    def order(self, request: ImageRequest, *, shown: bool) -> Order:
        """The fields for one request; `shown`: whether anybody looks at previews. Raises `InvalidPrompt`."""
        backend, by_field = self.backend, "style" in self.backend.fields
        prompt = backend.clean(request.prompt).strip().encode(errors="replace").decode()
        if not prompt:
            raise InvalidPrompt(
                "Nothing is left of the prompt once what the server would take for orders is taken out."
            )
        if not by_field:
            prompt = f"{prompt}\n\n{_WORDS[request.image_type]}"
        if backend is BACKENDS["openai"] and len(prompt) > LONGEST_PROMPT:
            raise InvalidPrompt(f"The prompt is longer than the {LONGEST_PROMPT} characters that the model takes.")
        previews = self.previews if shown and backend.streams else 0
        optional = {
            "model": self.model,
            "quality": None if self.quality == "auto" else self.quality,
            "output_format": _FORMAT,
            "response_format": "b64_json",
            "style": request.image_type.value,
            "safety_identifier": None if request.owner is None else _mark(request.owner),
        }
        fields: dict[str, Any] = {"prompt": prompt, "size": f"{request.width}x{request.height}"}
        fields |= {name: value for name, value in optional.items() if name in backend.fields and value is not None}
        if previews:
            fields |= {"stream": True, "partial_images": previews}
        return Order(fields, {"seed": request.seed} if request.seed and "seed" in backend.fields else {}, previews)


def _mark(owner: str) -> str:
    """A mark by which the provider can tell owners apart, and by which nobody finds out who they are."""
    return hashlib.sha256(f"snapasset owner {owner}".encode(errors="replace")).hexdigest()
