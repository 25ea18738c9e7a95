"""One operation on its way through a PostgreSQL transaction: what it waits for, and what it came to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, cast

from snapasset.database import Both, Statement, Write
from snapasset.event import Event

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeAlias

    from snapasset.database import Read, Row

    Operation: TypeAlias = Write[Any] | Read[Any]


class OperationRaised(Exception):
    """An operation raised `error` after it had changed something: its transaction is spoilt."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error


class Running:
    """One operation on its way: the statement it waits for, and in the end what it answered or raised."""

    __slots__ = ("_events", "_steps", "answer", "changed", "error", "statement")

    def __init__(self, operation: Operation, events: list[Event]) -> None:
        self._steps = operation.steps()
        self._events = events
        self.changed = False
        self.statement: Statement | None = None
        self.answer: Any = None
        self.error: BaseException | None = None
        self._go_on(None)

    def give(self, rows: list[Row]) -> None:
        """Hand it the rows of its statement. Raises `OperationRaised`."""
        assert self.statement is not None
        sql = self.statement.sql
        self.changed |= not sql.startswith("SELECT") and (bool(rows) or " RETURNING " not in sql)
        self._go_on(rows)

    def _go_on(self, rows: list[Row] | None) -> None:
        self.statement = None
        try:
            step = next(self._steps) if rows is None else self._steps.send(rows)
            while isinstance(step, Event):
                self._events.append(step)
                self.changed = True
                step = self._steps.send([])
        except StopIteration as stop:
            self.answer = stop.value
        except BaseException as error:
            if self.changed:
                raise OperationRaised(error) from error
            self.error = error
        else:
            self.statement = step


class Done(NamedTuple):
    """What an operation of two halves answered."""

    answer: Any
    error: None = None


def halves(operation: Operation) -> tuple[Operation, ...]:
    """What of it may be carried out side by side."""
    if not isinstance(operation, Both):
        return (operation,)
    both = cast("Both[Any, Any]", operation)
    return (both.first, both.second) if both.apart else (both,)


def whole(parts: Sequence[Running]) -> Running | Done:
    """What an operation came to. Raises `OperationRaised` when one half failed and the other has changed something."""
    if len(parts) == 1:
        return parts[0]
    first, second = parts
    failed = second if first.error is None else first
    if failed.error is None:
        return Done((first.answer, second.answer))
    if first.changed or second.changed:
        raise OperationRaised(failed.error) from failed.error
    return failed
