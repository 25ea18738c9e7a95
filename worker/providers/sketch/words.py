"""From a prompt to what the painter takes from it: scene, light, things, colours, moods; and to say so."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cache

from worker.providers.sketch import lexicon
from worker.providers.sketch.palette import Mood

_WORD = re.compile(r"[a-z]+(?:-[a-z]+)*")
_SHORTEST_STEM = 4
"""Endings are dropped from longer words only: "sea" is not found in "seat"."""

_LEANINGS = {"warm": (60.0, 0.20), "cool": (245.0, 0.28)}
_MOOD_CHROMA = {"calm": 0.80, "bold": 1.22, "dark": 0.92, "bright": 1.04}
_MOOD_LIGHTNESS = {"calm": 1.06, "dark": 0.80, "bright": 1.12}
_COLOUR_LEAN = 0.58


@dataclass(frozen=True, slots=True)
class Reading:
    """What was taken from the words; None or empty where they say nothing.

    `scene` and `light` are names of the lexicon; `things`, `colours` and `moods` likewise, in the order of the lexicon.
    """

    scene: str | None
    light: str | None
    things: tuple[str, ...]
    colours: tuple[str, ...]
    moods: tuple[str, ...]

    @property
    def understood(self) -> str:
        """In words for a person: "mountains, dusk, warm"."""
        parts = [part for part in (self.scene, *self.things, self.light, *self.colours, *self.moods) if part]
        if self.scene is None:
            parts.insert(0, "no scene, so an abstract picture")
        return ", ".join(dict.fromkeys(parts))

    def mood(self, chroma: float) -> Mood:
        """How the words bend the colours of a light; `chroma` is the style's own factor."""
        hue, lean, lightness = None, 0.0, 1.0
        for mood in self.moods:
            hue, lean = _LEANINGS.get(mood, (hue, lean))
            chroma *= _MOOD_CHROMA.get(mood, 1.0)
            lightness *= _MOOD_LIGHTNESS.get(mood, 1.0)
        if self.colours:
            hue, lean = lexicon.COLOURS[self.colours[0]][0], _COLOUR_LEAN
        return Mood(hue, lean, chroma, lightness)


def normalised(prompt: str) -> str:
    """The prompt as it counts: compatibility forms, case and runs of spaces make no difference."""
    return " ".join(unicodedata.normalize("NFKC", prompt).casefold().split())


def read(prompt: str) -> Reading:
    """Read a prompt in any language; words that are not known say nothing."""
    text = normalised(prompt)
    plain = "".join(sign for sign in unicodedata.normalize("NFKD", text) if not unicodedata.combining(sign))
    places: dict[str, int] = {}
    for found in _WORD.finditer(plain):
        word = found.group()
        for form in _forms(word):
            places.setdefault(form, found.start())
    scenes = {name: _hits(words, places, text) for name, words in lexicon.SCENES.items()}
    lights = {name: _hits(words, places, text) for name, words in lexicon.LIGHTS.items()}
    things = tuple(name for name, words in lexicon.THINGS.items() if _hits(words, places, text))
    implied = next((lexicon.IMPLIED[thing] for thing in things if thing in lexicon.IMPLIED), None)
    return Reading(
        scene=_best(scenes) or implied,
        light=_best({**lights, "winter light": []}) or _best(lights),
        things=things,
        colours=tuple(name for name, (_, words) in lexicon.COLOURS.items() if _hits(words, places, text)),
        moods=tuple(name for name, words in lexicon.MOODS.items() if _hits(words, places, text)),
    )


def _forms(word: str) -> tuple[str, ...]:
    """A word, and what is left of it without an ending of one or two letters; of joined words each part as well."""
    forms = [word, *(word.split("-") if "-" in word else ())]
    forms += [word[:-drop] for drop in (1, 2) if len(word) - drop >= _SHORTEST_STEM]
    return tuple(forms)


@cache
def _sorted_out(words: str) -> tuple[frozenset[str], tuple[str, ...]]:
    """Latin words, which must match as wholes, and the others, which may stand anywhere."""
    listed = words.split()
    return frozenset(word for word in listed if word.isascii()), tuple(word for word in listed if not word.isascii())


def _hits(words: str, places: dict[str, int], text: str) -> list[int]:
    """Where in the prompt words of this meaning stand."""
    latin, other = _sorted_out(words)
    return sorted(
        [places[word] for word in latin if word in places] + [text.find(word) for word in other if word in text]
    )


def _best(hits: dict[str, list[int]]) -> str | None:
    """The meaning with most words in the prompt; of equals the one that is named first."""
    named = {name: places for name, places in hits.items() if places}
    return min(named, key=lambda name: (-len(set(named[name])), named[name][0])) if named else None
