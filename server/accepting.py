"""What a request accepts (RFC 9110, 12.5): which of the forms that are there to send.

Nothing here refuses. A field that cannot be read is as if it were not there, and so is one that rules out every coding.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection

    from starlette.requests import Request

    from server.state import State

_WEIGHT: Final = re.compile(r"(?:0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)")
_PREFERRED: Final = ("br", "gzip")
"""Smallest first: what is taken when the client likes both as much."""


def encoding_of(request: Request[State], there: Collection[str]) -> str | None:
    """The content coding to answer with, one of those that are there; None: as it is."""
    weights = _weights(request, "accept-encoding")
    if "x-gzip" in weights:
        weights.setdefault("gzip", weights["x-gzip"])
    others = weights.get("*", 0.0)
    wanted = [(weights.get(name, others), name) for name in _PREFERRED if name in there]
    weight, name = max(wanted, key=lambda pair: pair[0], default=(0.0, None))
    return name if weight > 0 and weight >= weights.get("identity", 0.0) else None


def wants_page(request: Request[State]) -> bool:
    """Whether this is a browser on its way to an address: who takes anything, as programs do, has not asked for HTML."""
    return request.method in ("GET", "HEAD") and _weights(request, "accept").get("text/html", 0.0) > 0


def takes_page(request: Request[State]) -> bool:
    """Whether HTML is among what is accepted; who names only other things, as programs that want JSON do, does not take it."""
    weights = {name: weight for name, weight in _weights(request, "accept").items() if "/" in name}
    named = (weights[name] for name in ("text/html", "text/*", "*/*") if name in weights)
    return not weights or next(named, 0.0) > 0


def _weights(request: Request[State], field: str) -> dict[str, float]:
    """What the field names, each with its weight; all lines of the field are one list."""
    found: dict[str, float] = {}
    for part in ",".join(request.headers.getlist(field)).lower().split(","):
        name, *parameters = (word.strip() for word in part.split(";"))
        weights = [word.partition("=")[2].strip() for word in parameters if word.partition("=")[0].strip() == "q"]
        if name and all(_WEIGHT.fullmatch(weight) for weight in weights):
            found[name] = float(weights[0]) if weights else 1.0
    return found
