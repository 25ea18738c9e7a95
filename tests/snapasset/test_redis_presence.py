"""Whether Redis counts as there: what changes it, and what does not."""

from __future__ import annotations

from snapasset.queue.redis_presence import Presence


def test_one_answer_that_fails_to_come_changes_nothing() -> None:
    presence = Presence(5.0, there=True)
    for now in range(0, 20, 2):
        assert not presence.failed()
        assert (presence.there, presence.answered) == (True, False)
        assert not presence.came(float(now))
        assert (presence.there, presence.answered) == (True, True)


def test_two_in_a_row_do() -> None:
    presence = Presence(5.0, there=True)
    assert not presence.failed()
    assert presence.failed()
    assert not presence.there
    assert not presence.failed(), "it was gone before"


def test_it_is_back_after_three_answers_over_the_time_that_was_asked_for() -> None:
    presence = Presence(5.0, there=False)
    assert [presence.came(now) for now in (10.0, 10.5, 14.9, 15.0)] == [False, False, False, True]
    assert presence.there


def test_without_such_a_time_three_answers_are_enough() -> None:
    presence = Presence(0.0, there=False)
    assert [presence.came(1.0) for _ in range(3)] == [False, False, True]


def test_each_failure_begins_the_count_and_the_time_anew() -> None:
    presence = Presence(5.0, there=False)
    for now in range(0, 40, 4):  # there for a moment, and gone again
        assert not presence.came(float(now))
        assert not presence.came(now + 3.9)
        assert not presence.failed()
    assert not presence.there


def test_one_that_stands_still_is_found_out_within_three_times_the_pause_between_probes() -> None:
    presence, seconds = Presence(5.0, there=True), 0.5
    late = presence.pause(seconds, took=0.0)  # it stood still right after an answer
    while presence.there:
        late += seconds  # so long each answer is waited for
        presence.failed()
        late += presence.pause(seconds, took=seconds) if presence.there else 0.0
    assert late <= 3 * seconds


def test_one_that_fails_at_once_is_given_a_moment_before_it_is_asked_again() -> None:
    presence = Presence(5.0, there=True)
    presence.failed()
    assert presence.pause(0.5, took=0.01) == 0.24
