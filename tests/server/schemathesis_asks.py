"""What the tests by schemathesis share: the document of the real service, what is there to be asked for, and what is not
held against it, each with its reason."""

from __future__ import annotations

from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

import httpx
import schemathesis

from server.openapi.document import document
from server.openapi.schemas import Limits
from tests.server.real_service import quick_catalogue, quick_settings, real_service
from tests.server.service import ALICE, GOOD

if TYPE_CHECKING:
    from collections.abc import Generator

SERVED_HERE: Final = "ignore:Do not use the `random` module inside strategies"
"""A warning that is wrong: the service runs in a thread of this process, and it may."""

_CONFIG: Final[dict[str, Any]] = {
    "seed": 1,
    "generation": {
        "deterministic": True,
        "max-examples": 5,
        "with-security-parameters": False,  # the tests bring their own identity
        "database": "none",
    },
    "checks": {
        # Nothing answers 401 to whoever brings no identity: what is another's is not found, and a test asks that.
        "ignored_auth": {"enabled": False},
        # The address of a kind is a job's too: GET /api/jobs/batch is a job that is not found.
        "allow_header_conformance": {"enabled": False},
    },
}
_KEYS = count()


def described_api() -> Any:
    """The document of the real service, as schemathesis reads it."""
    settings = quick_settings(Path("unused"))
    limits = Limits(settings.delay_max_seconds, settings.ttl_max_seconds, settings.batch_max_jobs)
    told = document(quick_catalogue(settings), limits)
    return schemathesis.openapi.from_dict(told, config=schemathesis.Config.from_dict(_CONFIG))  # pyright: ignore[reportUnknownMemberType]


class Known(NamedTuple):
    """What is there to be asked for: a job that has ended, its generation, one of its files."""

    address: str
    job_id: str
    generation_id: str
    file_id: str


@contextmanager
def known_things(folder: Path) -> Generator[Known]:
    """A real service of this folder, with something in it."""
    with real_service(folder) as address:
        headers = {**ALICE, "prefer": "wait=10"}
        answer = httpx.post(f"{address}/api/jobs/image-generation", json=GOOD, headers=headers)
        assert answer.status_code == 200, answer.text
        job = answer.json()
        yield Known(address, job["jobId"], job["generationId"], job["result"]["master"]["fileId"])


def mend(case: Any, known: Known) -> None:
    """Mend in a good request what no schema can say: which things are there, and how far away a time may be."""
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    if case.method != "DELETE":
        ids = {"jobId": known.job_id, "generationId": known.generation_id, "fileId": known.file_id}
        case.path_parameters.update({name: ids[name] for name in case.path_parameters if name in ids})
    case.query.pop("cursor", None)
    case.query.pop("platforms", None)
    if "idempotency-key" in case.headers:
        case.headers["idempotency-key"] = f"key-{next(_KEYS)}"
    if isinstance(case.body, dict):
        body = cast("dict[str, Any]", case.body)
        for position, asked in enumerate([body, *body.get("jobs", ())]):
            _soon(asked.get("options", {}))
            if asked.get("ref"):
                asked["ref"] = f"job-{position}"


def _soon(options: dict[str, Any]) -> None:
    options.pop("dependsOn", None)
    if options.get("runAt"):
        options["runAt"] = "2026-01-31T12:00:00+01:00"
        options.pop("delay", None)
