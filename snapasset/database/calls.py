"""What both databases hand from callers to their writers and readers, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from snapasset.database import Read, Write

if TYPE_CHECKING:
    import asyncio

    from snapasset.database import Steps


class Call(NamedTuple):
    """An operation, and where its caller waits for the answer."""

    operation: Write[Any] | Read[Any]
    future: asyncio.Future[Any]


class Answer(NamedTuple):
    """What a call came to; `value` only counts without an error."""

    call: Call
    value: Any
    error: BaseException | None


class Nothing(Write[None]):
    """Changes nothing; answered once all that was handed in before it has been."""

    def steps(self) -> Steps[None]:
        yield from ()
