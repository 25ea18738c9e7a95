"""What both databases hand from callers to their writers and readers, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from snapasset.database import Read, Write

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterable

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


def deliver(answers: Iterable[Answer], undo: Callable[[Write[Any], Any], None]) -> None:
    """Hand the answers to their callers; `undo` is called for a change that was made, and whose caller has gone."""
    for (operation, future), value, error in answers:
        if not future.done():
            if error is None:
                future.set_result(value)
            else:
                future.set_exception(error)
        elif error is None and isinstance(operation, Write):
            undo(operation, value)


class Nothing(Write[None]):
    """Changes nothing; answered once all that was handed in before it has been."""

    def steps(self) -> Steps[None]:
        yield from ()
