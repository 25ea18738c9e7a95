"""Where the links of /openapi.json lead, something is there that keeps to the document.

They are followed one after another and not by a state machine drawn by chance: that wants the same answers to the same
requests, and of a service whose jobs end meanwhile it calls itself flaky.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.server.schemathesis_asks import SERVED_HERE, described_api, known_things
from tests.server.service import ALICE, GOOD

if TYPE_CHECKING:
    from pathlib import Path

_DEPTH = 3
_PUT_OFF = {**GOOD, "options": {"delay": 3_600}}

REACHED = {
    "submitImageGeneration 202",
    "submitImageGeneration 200",
    "submitRenditions 202",
    "submitBatch 202",
    "getJob 200",
    "followJob 200",
    "getTimeline 200",
    "cancelJob 200",
    "cancelJob 409",
    "deleteJob 409",
    "retryJob 202",
    "retryJob 409",
    "getGeneration 200",
    "getGeneration 404",
    "downloadGeneration 200",
    "deleteGeneration 204",
    "listJobs 200",
    "listGenerations 200",
}


class Follower:
    """Follows links as deep as it is told to, holding each answer against the document."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._api = described_api()
        self._told: dict[str, Any] = self._api.raw_schema
        self._operations = {
            found.ok().definition.raw["operationId"]: found.ok() for found in self._api.get_all_operations()
        }
        self.reached: set[str] = set()

    def follow(self, name: str, given: dict[str, Any], depth: int, body: Any = None, **headers: str) -> dict[str, Any]:
        """Ask for the operation `name`, and for what its answer leads to; returns the answer."""
        operation = self._operations[name]
        raw = operation.definition.raw
        query = {key: value for key, value in given.items() if key == "cursor"}
        path = {key: value for key, value in given.items() if key not in query}
        asked: dict[str, Any] = {"path_parameters": path, "query": query}
        if "requestBody" in raw:
            media = raw["requestBody"]["content"]["application/json"]
            asked |= {"body": body or media["example"], "media_type": "application/json"}
        answer = operation.Case(**asked).call_and_validate(base_url=self._address, headers={**ALICE, **headers})
        self.reached.add(f"{name} {answer.status_code}")
        links = raw["responses"][str(answer.status_code)].get("links", {})
        for link in links if depth else ():
            self.lead(link, answer.json(), depth - 1)
        return answer.json() if links else {}

    def lead(self, link: str, answer: dict[str, Any], depth: int) -> None:
        """Follow one link, if what it needs is in the answer."""
        told = self._told["components"]["links"][link]
        given = {name: _found(answer, place) for name, place in told["parameters"].items()}
        if None not in given.values():
            self.follow(told["operationId"], given, depth)


def _found(answer: Any, place: str) -> Any:
    """What stands at this place of an answer; None when nothing does."""
    for step in place.removeprefix("$response.body#/").split("/"):
        try:
            answer = answer[int(step) if step.isdecimal() else step]
        except (IndexError, KeyError):
            return None
    return answer


@pytest.mark.timeout(90)
@pytest.mark.filterwarnings(SERVED_HERE)
def test_what_an_answer_leads_to_keeps_to_the_document(tmp_path: Path) -> None:
    with known_things(tmp_path) as known:
        follower = Follower(known.address)
        follower.follow("submitBatch", {}, _DEPTH)
        follower.follow("listJobs", {}, _DEPTH)
        put_off = follower.follow("submitImageGeneration", {}, 0, _PUT_OFF)
        follower.lead("Cancel", put_off, _DEPTH)
        follower.follow("listGenerations", {}, _DEPTH)
        removed = follower.follow("submitImageGeneration", {}, _DEPTH)
        follower.lead("Generation", removed, 0)
        follower.follow("submitImageGeneration", {}, _DEPTH, prefer="wait=10")
    assert follower.reached >= REACHED
