"""New jobs over HTTP: one, or many that are taken all or none; and what one would cost, before it is sent.

A 202 says that the jobs are safe in the record. With an `Idempotency-Key` the same request makes them once.
"""

from __future__ import annotations

import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import Field, JsonValue
from starlette.responses import Response

from server.auth import hand_out, identify_or_mint
from server.body import read_object, validate
from server.idempotency import REPLAYED, read_once
from server.job_body import NAME, Options, accepted, foreseen_json, job_json, read_options, read_submission
from server.patience import PREFERENCE_APPLIED, ended_within, read_wait
from server.state import Stage
from snapasset.client import Wanted
from snapasset.errors import InvalidInput, MissingUser, Unavailable, UnknownKind
from snapasset.job_type import Wire
from snapasset.records.idempotency import submitted

if TYPE_CHECKING:
    from starlette.requests import Request

    from server.auth import Identity
    from server.state import State
    from snapasset.job_type import JobType
    from snapasset.records.idempotency import Submitted

_NO_STORE: Final = {"cache-control": "no-store"}
_JSON: Final = "application/json"


class BatchJob(Wire):
    """One job of a batch: what `POST /api/jobs/{kind}` takes, with its kind, and a name for the others to depend on."""

    kind: Annotated[str, Field(max_length=80)]
    data: dict[str, JsonValue]
    options: Options = Options()
    ref: Annotated[str, Field(pattern=NAME)] | None = None


class Batch(Wire):
    """The body of `POST /api/jobs/batch`."""

    jobs: Annotated[tuple[BatchJob, ...], Field(min_length=1)]


def refuse_while_stopping(state: State) -> None:
    """Send new work elsewhere: here it would be safe, but wait for the next start. Raises `Unavailable`."""
    if state["life"].stage is Stage.DRAINING:
        raise Unavailable("This process is stopping; try again.")


async def one(request: Request[State]) -> Response:
    """POST /api/jobs/{kind}: 202; with `Prefer: wait=n`, 200 and the whole job when it ends in that time."""
    refuse_while_stopping(request.state)
    job_type = request.state["catalogue"].get(request.path_params["kind"])
    identity = await identify_or_mint(request)
    check_access(identity, job_type)
    return await take(request, identity, job_type, await read_object(request))


async def estimate(request: Request[State]) -> Response:
    """POST /api/jobs/{kind}/estimate: what the same body would be told of its cost by `one`.

    Nothing is made, no session either: who brings none is told what a new one would be.
    """
    state = request.state
    job_type = state["catalogue"].get(request.path_params["kind"])
    identity = await identify_or_mint(request)
    check_access(identity, job_type)
    args, options = read_submission(await read_object(request), job_type, state["settings"], _now_ms())
    owner, access, _ = identity
    foreseen = await state["client"].foresee(job_type.kind, args, owner=owner, access=access, options=options)
    return Response(foreseen_json(foreseen), headers=_NO_STORE, media_type=_JSON)


async def take(
    request: Request[State], identity: Identity, job_type: JobType[Any, Any], body: dict[str, Any]
) -> Response:
    """Put a job of this kind, as `body` describes it, into the record, and answer."""
    state = request.state
    args, options = read_submission(body, job_type, state["settings"], _now_ms())
    once = read_once(request, identity, job_type.kind, args, options)
    client, kind, (owner, access, _) = state["client"], job_type.kind, identity
    if once is None:
        made = submitted(await client.submit(kind, args, owner=owner, access=access, options=options))
    else:
        made = await client.submit_once(kind, args, owner=owner, access=access, once=once, options=options)
    headers = {"location": f"/api/jobs/{made.job_id}", **_headers(made)}
    token = state["stream_tokens"].make(made.job_id, owner)
    seconds = read_wait(request)
    ended = None if seconds is None or made.job is None else await ended_within(request, made.job, seconds)
    if ended is None:
        response = Response(accepted(made, token), HTTPStatus.ACCEPTED, headers, _JSON)
    else:
        headers[PREFERENCE_APPLIED] = f"wait={seconds}"
        body_text = job_json(ended, state["file_urls"], {"streamToken": token})
        response = Response(body_text, HTTPStatus.OK, headers, _JSON)
    hand_out(identity, request, response)
    return response


async def batch(request: Request[State]) -> Response:
    """POST /api/jobs/batch: many jobs at once, all or none; they may depend on each other by their `ref`."""
    state = request.state
    refuse_while_stopping(state)
    identity = await identify_or_mint(request)
    asked = validate(Batch, await read_object(request, state["settings"].batch_max_bytes))
    most = state["settings"].batch_max_jobs
    if len(asked.jobs) > most:
        raise InvalidInput(fields={"jobs": f"takes at most {most} jobs"})
    now_ms = _now_ms()
    wanted = [_wanted(state, identity, item, f"jobs.{position}", now_ms) for position, item in enumerate(asked.jobs)]
    once = read_once(request, identity, "batch", *(part for item in wanted for part in item))
    made = await state["client"].submit_all(wanted, owner=identity.owner, access=identity.access, once=once)
    answers = [
        accepted(one, state["stream_tokens"].make(one.job_id, identity.owner), asked.jobs[position].ref)
        for position, one in enumerate(made)
    ]
    response = Response(f'{{"jobs":[{",".join(answers)}]}}', HTTPStatus.ACCEPTED, _headers(made[0]), _JSON)
    hand_out(identity, request, response)
    return response


def check_access(identity: Identity, job_type: JobType[Any, Any]) -> None:
    """Raises `MissingUser` for who may not ask for this kind."""
    if job_type.access > identity.access:
        raise MissingUser


def _wanted(state: State, identity: Identity, item: BatchJob, at: str, now_ms: int) -> Wanted:
    try:
        job_type = state["catalogue"].get(item.kind)
    except UnknownKind as error:
        raise InvalidInput(fields={f"{at}.kind": error.detail}) from None
    check_access(identity, job_type)
    options = read_options(item.options, state["settings"], now_ms, f"{at}.options")
    return Wanted(item.kind, validate(job_type.args, item.data, prefix=f"{at}.data"), options, item.ref)


def _headers(made: Submitted) -> dict[str, str]:
    return {**_NO_STORE, REPLAYED: "true"} if made.replayed else dict(_NO_STORE)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
