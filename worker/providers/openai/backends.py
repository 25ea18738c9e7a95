"""How each kind of server that speaks like OpenAI wants to be asked: which fields, and which words never.

A field that a server does not know is refused by some and ignored by others, so each is sent what it knows.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from worker.providers.openai.models import DEFAULT_MODEL, is_openai_model

if TYPE_CHECKING:
    from collections.abc import Callable

OPENAI_URL: Final = "https://api.openai.com/v1"

_EXTRA_ARGS: Final = re.compile(r"</?\s*sd_cpp_extra_args\s*/?>?", re.IGNORECASE)


def _without_arguments(prompt: str) -> str:
    """Take out the tag by which sd-server takes orders from a prompt; what is left must not spell it again."""
    while (shorter := _EXTRA_ARGS.sub("", prompt)) != prompt:
        prompt = shorter
    return prompt


def _without_bars(prompt: str) -> str:
    """LocalAI takes what follows a bar for what is not wanted in the picture."""
    return prompt.replace("|", ",")


@dataclass(frozen=True, slots=True)
class Backend:
    """A kind of server.

    Attributes:
        name: stored with every picture.
        paid: whether a call may cost money, so that none is repeated unseen.
        streams: whether it can show unfinished pictures.
        fields: what it is sent beside prompt and size.
        default_model: which model is asked for when none is set; None: the server chooses.
        cleaned_by: what the words go through before they are sent.
    """

    name: str
    paid: bool
    streams: bool
    fields: frozenset[str]
    default_model: str | None = None
    cleaned_by: tuple[Callable[[str], str], ...] = ()

    def clean(self, prompt: str) -> str:
        """The words, without what this server would take for orders."""
        for clean in self.cleaned_by:
            prompt = clean(prompt)
        return prompt


BACKENDS: Final = {
    backend.name: backend
    for backend in (
        Backend(
            "openai",
            paid=True,
            streams=True,
            fields=frozenset({"model", "quality", "output_format", "safety_identifier"}),
            default_model=DEFAULT_MODEL,
        ),
        Backend(
            "localai",
            paid=False,
            streams=False,
            fields=frozenset({"model", "response_format", "seed"}),
            cleaned_by=(_without_arguments, _without_bars),
        ),
        Backend(
            "sd-server",
            paid=False,
            streams=False,
            fields=frozenset({"model", "output_format"}),
            cleaned_by=(_without_arguments,),
        ),
        Backend("vllm-omni", paid=False, streams=False, fields=frozenset({"model", "response_format", "seed"})),
        Backend(
            "sglang",
            paid=False,
            streams=False,
            fields=frozenset({"model", "response_format", "output_format", "quality", "seed"}),
        ),
        # Who knows what stands behind it: it may cost money, and it may be any of the above.
        Backend(
            "compatible",
            paid=True,
            streams=False,
            fields=frozenset({"model", "response_format", "quality", "style"}),
            cleaned_by=(_without_arguments, _without_bars),
        ),
    )
}


def backend_of(choice: str, base_url: str, model: str | None) -> Backend:
    """The kind of server at `base_url`, as chosen; auto: OpenAI's own host, or a model of its, else a compatible one."""
    if choice != "auto":
        return BACKENDS[choice]
    host = urlsplit(base_url).hostname or ""
    theirs = host == "openai.com" or host.endswith(".openai.com") or is_openai_model(model)
    return BACKENDS["openai" if theirs else "compatible"]
