"""What a call cost, and that what is not known is not made up."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from snapasset.errors import BadConfiguration
from tests.fakes.openai import MICRO_USD, USAGE, FakeOpenAI, answer, completed, frame, made, picture, says, streams
from tests.worker.providers.desk import desk
from worker.providers.openai.prices import BUILT_IN, Price, counters, read_prices

if TYPE_CHECKING:
    from pathlib import Path

MINE = {
    "asOf": "2027-02-03",
    "usdPerMillionTokens": {"gpt-image-2.6-flare": {"textIn": 1, "imageIn": 2, "imageOut": 3.5}},
}


@pytest.mark.parametrize("shown", [True, False])
async def test_a_charge_says_what_was_used_and_what_it_cost(*, shown: bool):
    async with desk(FakeOpenAI(made)) as d:
        charge = (await d.make(previews=[] if shown else None)).charge
    assert charge is not None
    assert (charge.request_id, charge.micro_usd, charge.quality) == ("req_1", MICRO_USD, "medium")
    assert charge.priced == BUILT_IN.as_of.isoformat()
    assert (charge.usage["input_tokens"], charge.usage["output_tokens"]) == (20, 1_000)


async def test_a_table_of_ones_own_takes_the_place_of_the_built_in_one(tmp_path: Path):
    file = tmp_path / "prices.json"
    file.write_text(json.dumps(MINE))
    async with desk(FakeOpenAI(), openai_prices_file=file) as d:
        charge = (await d.make()).charge
    assert charge is not None
    assert (charge.micro_usd, charge.priced) == (20 * 1 + 1_000 * 3.5, "2027-02-03")


@pytest.mark.parametrize(
    "usage",
    [
        None, {}, {**USAGE, "output_tokens": -1}, {**USAGE, "input_tokens": 10**12}, {**USAGE, "output_tokens": True},
        {**USAGE, "input_tokens": True}, {**USAGE, "output_tokens": 0}, {**USAGE, "input_tokens": 0},
        {**USAGE, "output_tokens": 0, "input_tokens": 0, "total_tokens": 0}, {**USAGE, "output_tokens": "1000"},
    ],
)  # fmt: skip
@pytest.mark.parametrize("shown", [True, False])
async def test_what_the_provider_does_not_say_costs_nobody_knows_what(usage: Any, *, shown: bool):
    whole = answer(picture())
    told = streams(frame("image_generation.completed", {**_event(), "usage": usage}))
    async with desk(FakeOpenAI(told if shown else says({**whole, "usage": usage}))) as d:
        charge = (await d.make(previews=[] if shown else None)).charge
    assert charge is not None
    assert (charge.micro_usd, charge.priced) == (None, None)
    assert charge.request_id == "req_1"


def _event() -> dict[str, Any]:
    return json.loads(completed().split("data: ")[1])


def test_a_picture_that_is_all_words_says_nothing():
    usage = {"input_tokens": 30, "output_tokens": 5, "output_text_tokens": 5}
    assert Price(text_in=5, image_in=8, image_out=30).micro_usd(usage) is None


@pytest.mark.parametrize(
    ("model", "known"),
    [
        ("gpt-image-2", True), ("gpt-image-2-2026-04-21", True), ("gpt-image-2.6-flare", True),
        ("gpt-image-20", False), ("gpt-image-1.5", False), ("flux", False),
    ],
)  # fmt: skip
def test_whose_price_is_known(model: str, *, known: bool):
    assert (BUILT_IN.price_of(model) is not None) == known


def test_the_price_of_the_finer_name_counts():
    table = BUILT_IN.model_copy(update={"usd_per_million_tokens": {
        "gpt-image-2": Price(text_in=1, image_in=1, image_out=1),
        "gpt-image-2.6": Price(text_in=2, image_in=2, image_out=2),
    }})  # fmt: skip
    price = table.price_of("gpt-image-2.6-flare")
    assert price is not None
    assert price.text_in == 2


def test_each_kind_of_token_has_its_price_and_a_part_of_a_millionth_counts_as_a_whole():
    price = Price(text_in=5, image_in=8, image_out=30, text_out=0.1)
    usage = {"input_tokens": 30, "input_image_tokens": 10, "output_tokens": 101, "output_text_tokens": 1}
    assert price.micro_usd(usage) == 20 * 5 + 10 * 8 + 100 * 30 + 1
    assert Price(text_in=5, image_in=8, image_out=30).micro_usd(usage) == 20 * 5 + 10 * 8 + 101 * 30


@pytest.mark.parametrize(
    "usage", [{}, {"input_tokens": "5"}, {"input_tokens": True}, {"input_tokens_details": 5, "x": 1}]
)
def test_only_whole_numbers_are_counters(usage: dict[str, Any]):
    assert counters(usage) == {}


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "{", '{"asOf": "soon", "usdPerMillionTokens": {}}', '{"usdPerMillionTokens": {}}',
        '{"asOf": "2026-11-01", "usdPerMillionTokens": {"canary": {"textIn": -1, "imageIn": 1, "imageOut": 1}}}',
        '{"asOf": "2026-11-01", "usdPerMillionTokens": {"canary": {"textIn": "canary", "imageIn": 1, "imageOut": 1}}}',
        '{"asOf": "2026-11-01", "usdPerMillionTokens": {}, "canary": 1}', " " * 1_000_001,
    ],
)  # fmt: skip
def test_a_file_that_is_no_table_is_refused_and_not_repeated(tmp_path: Path, text: str):
    file = tmp_path / "canary.json"
    file.write_text(text)
    with pytest.raises(BadConfiguration, match="OPENAI_PRICES_FILE") as raised:
        read_prices(file)
    assert "canary" not in raised.value.detail


def test_a_file_that_is_not_there_is_refused(tmp_path: Path):
    with pytest.raises(BadConfiguration, match="OPENAI_PRICES_FILE"):
        read_prices(tmp_path / "none.json")
