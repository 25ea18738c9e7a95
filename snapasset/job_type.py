"""A kind of job as both sides know it: what it takes, what it gives, who may ask, how long it may last.

A kind is declared once, in `worker/processors/`, and listed by hand in the catalogue there. Kind names are stored and
are for ever; the modules behind them may be renamed.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from snapasset.errors import BadConfiguration, UnknownKind

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator


class Access(IntEnum):
    """Who may submit a kind: each level includes those above it."""

    SESSION = 0
    USER = 1
    ADMIN = 2


class Wire(BaseModel):
    """Base of every model that crosses the wire or is stored: camelCase outside, strict, nothing unknown."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_alias=True,
        validate_by_name=True,
        serialize_by_alias=True,
        extra="forbid",
        strict=True,
        frozen=True,
        allow_inf_nan=False,
    )


A = TypeVar("A", bound=Wire)
R = TypeVar("R", bound=Wire)


@dataclass(frozen=True, slots=True)
class Schedule:
    """When jobs of a kind begin by themselves.

    `name` is unique within the kind and stored; `cron` is the five fields of crontab(5), read in the time zone `zone`
    (an IANA name); `data` is what each job is given. Without `cron` it never fires.
    """

    name: str
    cron: str | None
    data: Wire
    zone: str = "UTC"


@dataclass(frozen=True, slots=True)
class JobType(Generic[A, R]):
    """One kind of job.

    Attributes:
        kind: its stable name, kebab-case; the last part of `POST /api/jobs/{kind}`.
        queue: the queue that carries it, kebab-case.
        args: the model of its data; `result`: the model of what it returns.
        run: `async (ctx, *tools) -> result`.
        tools: the types of the tools that `run` takes after its context, in order; it can reach nothing else.
        attempts: how often it is tried within one run.
        timeout: seconds one attempt may take.
        access: who may submit it.
        generation: `new`: a job of it makes a generation, whose id is given out with the job's; `existing`: it adds to
            the generation that its data names as `generation_id`, which must be its owner's.
        schedules: when jobs of it begin by themselves, owned by the system.
        quote: `(args, *tools) -> int | None`: what a job is expected to cost, in millionths of a US dollar; None when
            nobody knows. Without it a kind costs nothing.
        likeness: `(args, *tools) -> str | None`: a mark of what the job would pay for, by which one that is there already is
            found and taken instead, see `records.generations.FindLike`; None when it is to be paid for in any case.
    """

    kind: str
    queue: str
    args: type[A]
    result: type[R]
    run: Callable[..., Awaitable[R]]
    tools: tuple[type, ...] = ()
    attempts: int = 3
    timeout: float = 600.0
    access: Access = Access.SESSION
    generation: Literal["new", "existing"] | None = None
    schedules: tuple[Schedule, ...] = ()
    quote: Callable[..., int | None] | None = None
    likeness: Callable[..., str | None] | None = None


_BATCH = "batch"
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


class Catalogue:
    """The kinds one process knows. Raises `BadConfiguration` when two share a name or a name is malformed."""

    def __init__(self, job_types: Iterable[JobType[Any, Any]]) -> None:
        self._by_kind: dict[str, JobType[Any, Any]] = {}
        for job_type in job_types:
            if not _NAME.fullmatch(job_type.kind) or not _NAME.fullmatch(job_type.queue):
                raise BadConfiguration(f"the kind {job_type.kind!r} or its queue is not named in kebab-case")
            if job_type.kind == _BATCH:
                raise BadConfiguration(f"the kind {job_type.kind!r} has the name of an address of the API")
            if job_type.kind in self._by_kind:
                raise BadConfiguration(f"the kind {job_type.kind!r} is listed twice")
            if "options" in job_type.args.model_fields:
                raise BadConfiguration(
                    f"the kind {job_type.kind!r} takes a field named options, which is the API's own"
                )
            if '"fileId"' in json.dumps(job_type.args.model_json_schema()):
                # A file that a result names is signed for whoever reads the job: a caller must not name one.
                raise BadConfiguration(f"the kind {job_type.kind!r} takes a field named fileId, which the API signs")
            if job_type.generation == "existing" and "generation_id" not in job_type.args.model_fields:
                raise BadConfiguration(f"the kind {job_type.kind!r} adds to a generation and takes no generation_id")
            self._by_kind[job_type.kind] = job_type

    def __iter__(self) -> Iterator[JobType[Any, Any]]:
        return iter(self._by_kind.values())

    def get(self, kind: str) -> JobType[Any, Any]:
        """The kind by its name. Raises `UnknownKind`."""
        try:
            return self._by_kind[kind]
        except KeyError:
            raise UnknownKind(f"There is no kind of job named {kind[:80]!r}.") from None

    def of_queue(self, queue: str) -> tuple[JobType[Any, Any], ...]:
        return tuple(job_type for job_type in self if job_type.queue == queue)

    @property
    def queues(self) -> tuple[str, ...]:
        """The queues that carry these kinds, each once, in the catalogue's order."""
        return tuple(dict.fromkeys(job_type.queue for job_type in self))

    @property
    def kinds_by_queue(self) -> dict[str, tuple[str, ...]]:
        """The names of the kinds that each queue carries."""
        return {queue: tuple(job_type.kind for job_type in self.of_queue(queue)) for queue in self.queues}
