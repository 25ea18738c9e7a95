"""What an answer of the real service leads to, by the links of /openapi.json, is there and keeps to the document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, settings

from tests.server.schemathesis_asks import SERVED_HERE, asked_of, described_api, known_things, mend
from tests.server.service import ALICE

if TYPE_CHECKING:
    from pathlib import Path


# To delete a job is to cancel it: it is still there, so what is asked of the deleted would be asked in vain.
API = described_api().exclude(operation_id="deleteJob")

REACHED = {
    "POST /api/jobs/image-generation 202",
    "POST /api/generations/{generationId}/renditions 202",
    "POST /api/jobs/{jobId}/retry 202",
    "GET /api/jobs/{jobId} 200",
    "GET /api/jobs/{jobId}/events 200",
    "GET /api/jobs/{jobId}/timeline 200",
    "GET /api/generations/{generationId} 200",
}


@pytest.mark.timeout(90)
@pytest.mark.filterwarnings(SERVED_HERE)
def test_what_follows_from_an_answer_keeps_to_the_document(tmp_path: Path) -> None:
    seen: set[str] = set()

    class Flow(API.as_state_machine()):
        def get_call_kwargs(self, case: Any) -> dict[str, Any]:
            return {"base_url": known.address, "headers": ALICE, "timeout": 10}

        def before_call(self, case: Any) -> None:
            mend(case)
            _now(case)

        def validate_response(self, response: Any, case: Any, **more: Any) -> None:
            seen.add(f"{case.operation.label} {response.status_code}")
            super().validate_response(response, case, **more)  # pyright: ignore[reportUnknownMemberType]

    with known_things(tmp_path) as known:
        Flow.run(
            settings=settings(
                max_examples=12,
                stateful_step_count=6,
                phases=[Phase.generate],
                derandomize=True,
                deadline=None,
                database=None,
                suppress_health_check=list[Any](HealthCheck),
            )
        )
    print(sorted(seen))
    assert seen >= REACHED


def _now(case: Any) -> None:
    """Put nothing off: the stream of a job that does not begin does not end."""
    for asked in asked_of(case):
        if isinstance(asked.get("options"), dict):
            asked["options"].pop("delay", None)
