"""The catalogue refuses what would be stored for ever under a wrong name, and wire models refuse what they do not know."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from snapasset.errors import BadConfiguration, UnknownKind
from snapasset.job_type import Access, Catalogue, JobType, Schedule, Wire


class Nothing(Wire):
    pass


class OfGeneration(Wire):
    generation_id: str


class Asked(Wire):
    how_many: int = 1
    share: float = 0.5


class WithOptions(Wire):
    options: int = 0


async def run(*_args: Any) -> Nothing:
    return Nothing()


def a_kind(kind: str = "draw", queue: str = "pictures", args: type[Wire] = Nothing) -> JobType[Any, Nothing]:
    return JobType(kind=kind, queue=queue, args=args, result=Nothing, run=run)


class TestCatalogue:
    def test_kinds_are_found_by_name_and_queue_in_the_order_of_the_list(self) -> None:
        draw, clean, cut = a_kind(), a_kind("clean-up", "chores"), a_kind("cut")
        catalogue = Catalogue([draw, clean, cut])
        assert list(catalogue) == [draw, clean, cut]
        assert catalogue.get("clean-up") is clean
        assert catalogue.of_queue("pictures") == (draw, cut)
        assert catalogue.of_queue("nowhere") == ()
        assert catalogue.queues == ("pictures", "chores")
        assert catalogue.kinds_by_queue == {"pictures": ("draw", "cut"), "chores": ("clean-up",)}

    def test_an_unknown_kind_is_named_as_far_as_it_is_decent(self) -> None:
        with pytest.raises(UnknownKind, match="'pain'"):
            Catalogue([]).get("pain")
        with pytest.raises(UnknownKind) as raised:
            Catalogue([]).get("x\n" * 5000)
        assert len(raised.value.detail) < 250
        assert "\n" not in raised.value.detail

    @pytest.mark.parametrize("name", ["", "Draw", "draw_it", "draw it", "-draw", "draw-", "draw--it", "1draw", "dräw"])
    def test_names_are_kebab_case(self, name: str) -> None:
        with pytest.raises(BadConfiguration, match="kebab"):
            Catalogue([a_kind(kind=name)])
        with pytest.raises(BadConfiguration, match="kebab"):
            Catalogue([a_kind(queue=name)])

    def test_a_name_is_given_once(self) -> None:
        with pytest.raises(BadConfiguration, match="twice"):
            Catalogue([a_kind(), a_kind(queue="chores")])

    def test_no_kind_takes_the_apis_own_field(self) -> None:
        with pytest.raises(BadConfiguration, match="options"):
            Catalogue([a_kind(args=WithOptions)])

    def test_a_kind_that_adds_to_a_generation_is_told_which(self) -> None:
        with pytest.raises(BadConfiguration, match="generation_id"):
            Catalogue([JobType("cut", "pictures", Asked, Nothing, run, generation="existing")])
        Catalogue([JobType("cut", "pictures", OfGeneration, Nothing, run, generation="existing")])
        Catalogue([JobType("draw", "pictures", Asked, Nothing, run, generation="new")])

    def test_a_schedule_is_in_utc_unless_it_says_otherwise_and_a_kind_has_none_unless_it_says_so(self) -> None:
        assert Schedule("daily", "0 2 * * *", Nothing()).zone == "UTC"
        assert a_kind().schedules == ()

    def test_a_level_of_access_includes_those_below(self) -> None:
        assert Access.SESSION < Access.USER < Access.ADMIN


class TestWire:
    def test_it_is_camel_case_outside_and_snake_case_inside(self) -> None:
        assert Asked.model_validate_json('{"howMany": 3}').how_many == 3
        assert Asked(how_many=3).model_dump_json() == '{"howMany":3,"share":0.5}'

    @pytest.mark.parametrize(
        "text",
        [
            '{"howMany": "3"}',
            '{"howMany": 3.5}',
            '{"howMany": true}',
            '{"more": 1}',
            '{"share": NaN}',
            '{"share": 1e999}',
        ],
    )
    def test_it_takes_nothing_but_what_it_says(self, text: str) -> None:
        with pytest.raises(ValidationError):
            Asked.model_validate_json(text)

    def test_it_does_not_change(self) -> None:
        with pytest.raises(ValidationError):
            Asked().how_many = 2  # pyright: ignore[reportAttributeAccessIssue]


def test_a_kind_takes_no_file_id_which_the_api_would_sign() -> None:
    class Inner(Wire):
        file_id: str

    class Outer(Wire):
        inner: tuple[Inner, ...]

    with pytest.raises(BadConfiguration, match="fileId"):
        Catalogue([JobType("draw", "pictures", Outer, Nothing, run)])
