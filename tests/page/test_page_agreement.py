"""The page says the same as the server: what is cut, how jobs stand, what can be chosen; and it can be read.

The page's arithmetic is read out of its script, where it is written with nothing but numbers, Math.min and Math.max, and
reckoned here: so it is held against the server's own without a browser.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapasset.job import Status
from tests.page.page_source import FILES, MARKUP, SCRIPTS
from worker.images.crop import cover_box
from worker.images.fit import KEPT_AT_LEAST, Fit
from worker.images.planning import Size, kept

if TYPE_CHECKING:
    from collections.abc import Callable

ONE_LINE = re.compile(r"^export const (\w+) = \(([\w, ]+)\) => (.+);$", re.MULTILINE)
CONSTANT = re.compile(r"^export const ([A-Z_]+) = ([\d.]+);$", re.MULTILINE)
SHARED = re.compile(r"[\w\s.,()+*/-]+")
"""What JavaScript and Python write and reckon alike, once `Math.` is taken away."""

READABLE = 4.5
"""WCAG 2.2, 1.4.3: the least contrast of text."""

sides = st.integers(min_value=64, max_value=4_000)
shares = st.floats(min_value=0, max_value=1)


def page_function(name: str) -> Callable[..., float]:
    found = {match[1]: match for match in ONE_LINE.finditer(SCRIPTS["crop.js"])}[name]
    body = found[3].replace("Math.", "")
    assert SHARED.fullmatch(body)
    return eval(f"lambda {found[2]}: {body}", {"__builtins__": {}, "min": min, "max": max})


kept_of, slide, along = (page_function(name) for name in ("keptOf", "slide", "along"))


@given(sides, sides, sides, sides, shares, shares)
def test_the_page_cuts_as_the_server_does(
    width: int, height: int, wanted_width: int, wanted_height: int, x: float, y: float
) -> None:
    master, target = Size(width, height), Size(wanted_width, wanted_height)

    box = cover_box(master, target, (x, y))
    across, down = kept_of(target.aspect, master.aspect), kept_of(master.aspect, target.aspect)

    assert across * width == pytest.approx(box.width)
    assert down * height == pytest.approx(box.height)
    assert slide(x, across) * width == pytest.approx(box.left, abs=1e-6)
    assert slide(y, down) * height == pytest.approx(box.top, abs=1e-6)
    assert across * down == pytest.approx(kept(master, target))


@given(shares, st.floats(min_value=0.01, max_value=0.999))
def test_the_point_stays_inside_and_the_browser_is_told_the_same_stretch(middle: float, length: float) -> None:
    start = slide(middle, length)

    assert start <= middle + 1e-9 <= start + length + 2e-9
    assert along(start, length) * (1 - length) == pytest.approx(start)


def test_both_give_up_cutting_at_the_same_share() -> None:
    constants = dict(CONSTANT.findall(SCRIPTS["crop.js"]))

    assert float(constants["KEPT_AT_LEAST"]) == KEPT_AT_LEAST


@pytest.mark.parametrize("choice", ["fit", "cut"])
def test_every_fit_can_be_chosen_and_cover_is_the_usual_one(choice: str) -> None:
    offered = [attrs for attrs in MARKUP.of("input") if attrs.get("name") == choice]

    assert [attrs["value"] for attrs in offered] == [fit.value for fit in Fit]
    assert [attrs["value"] for attrs in offered if "checked" in attrs] == [Fit.COVER.value]
    assert all(attrs["type"] == "radio" for attrs in offered)


def table(name: str) -> set[str]:
    body = re.search(rf"^(?:export )?const {name} = \{{(.+?)\}};$", SCRIPTS["words.js"], re.MULTILINE | re.DOTALL)
    return set(re.findall(r"(\w+): ", body[1])) if body else set()


def test_there_are_words_for_every_state_and_fit() -> None:
    assert {status.value for status in Status} <= table("STATUS_WORDS")
    assert table("FIT_WORDS") == {fit.value for fit in Fit}


def test_what_ends_a_job_before_it_began_has_advice() -> None:
    assert {"expired", "dependency_failed"} <= table("ADVICE")


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def colours() -> dict[str, dict[str, str]]:
    """The page's colours by light and by dark, and those of the room where cuts are adjusted."""
    declared = re.compile(r"^\s+--([\w-]+): (#[0-9a-f]{6});$", re.MULTILINE)
    day, _, night = FILES["style.css"].partition("@media (prefers-color-scheme: dark)")
    light = dict(declared.findall(day))
    dark = light | dict(declared.findall(night))
    return {"light": light, "dark": dark, "darkroom": dark | dict(declared.findall(FILES["adjuster.css"]))}


PAIRS = [
    *((ink, ground) for ink in ("ink", "ink-2", "ink-3", "bad") for ground in ("panel", "card")),
    *((ink, "ground") for ink in ("ink", "ink-2", "ink-3", "bad", "good", "warn")),
    ("on-mark", "mark"),
    ("ink", "bad-soft"),
    ("ink-2", "mark-soft"),
    ("ink", "sunk"),
]


@pytest.mark.parametrize("light", ["light", "dark", "darkroom"])
@pytest.mark.parametrize(("ink", "ground"), PAIRS)
def test_text_can_be_read_by_day_and_by_night(light: str, ink: str, ground: str) -> None:
    known: dict[str, Any] = colours()[light]

    assert contrast(known[ink], known[ground]) >= READABLE
