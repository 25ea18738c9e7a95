"""Ids: what a UUID of version 7 must be, and what the record relies on besides."""

from __future__ import annotations

import threading
import time
import uuid

import pytest

from snapasset.job import ENDED, Job, Status, new_id
from snapasset.records.jobs import COLUMNS


def test_an_id_is_a_uuid_of_version_7_in_its_usual_spelling() -> None:
    for _ in range(200):
        text = new_id()
        parsed = uuid.UUID(text)
        assert str(parsed) == text
        assert parsed.version == 7
        assert parsed.variant == uuid.RFC_4122


def test_it_begins_with_the_time_of_its_making() -> None:
    before = time.time_ns() // 1_000_000
    made = uuid.UUID(new_id()).int >> 80
    # A burst of ids may run a little ahead of the clock.
    assert before <= made <= time.time_ns() // 1_000_000 + 1000


def test_later_ids_sort_later_however_fast_they_come() -> None:
    ids = [new_id() for _ in range(20_000)]
    assert ids == sorted(ids)
    assert len(set(ids)) == len(ids)


def test_threads_never_share_one() -> None:
    made: list[list[str]] = [[] for _ in range(4)]

    def make(into: list[str]) -> None:
        into += [new_id() for _ in range(3000)]

    threads = [threading.Thread(target=make, args=(into,)) for into in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({job_id for into in made for job_id in into}) == 12_000
    assert all(into == sorted(into) for into in made)


def test_the_part_that_cannot_be_guessed_is_different_each_time() -> None:
    tails = {uuid.UUID(new_id()).int & (1 << 62) - 1 for _ in range(1000)}
    assert len(tails) == 1000
    assert max(tails).bit_length() > 58


@pytest.mark.parametrize("status", Status)
def test_a_job_has_ended_in_these_states_and_no_other(status: Status) -> None:
    row = dict.fromkeys(Job._fields)
    job = Job(**{**row, "status": str(status)})  # pyright: ignore[reportArgumentType]
    assert job.ended is (status in ("completed", "failed", "cancelled"))
    assert job.ended is (status in ENDED)


def test_the_columns_are_the_fields_in_their_order() -> None:
    assert COLUMNS.split(", ") == list(Job._fields)
