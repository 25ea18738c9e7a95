"""What the painter takes from words."""

from __future__ import annotations

import pytest

from worker.providers.sketch import lexicon
from worker.providers.sketch.lights import LIGHTS
from worker.providers.sketch.painter import SCENES
from worker.providers.sketch.words import Reading, normalised, read


@pytest.mark.parametrize(
    ("prompt", "understood"),
    [
        ("Mountains at dusk, warm", "mountains, dusk, warm"),
        ("A sailboat on the ocean at sunset", "sea, boat, dusk"),
        ("Tokyo skyline at NIGHT", "city, night"),
        ("misty pine forests", "forest, mist"),
        ("camel on the dunes", "desert"),
        ("saturn and its rings in a purple galaxy", "space, ring, purple"),
        ("snowy mountains over a lake at sunrise", "mountains, lake, dawn"),
        ("snow in winter", "snow, winter light"),
        ("a cup of coffee in the morning", "still life, cup, dawn"),
        ("tree on a hill in autumn", "meadow, autumn"),
        ("blue gradient background", "abstract, blue"),
        ("roses", "still life, flower"),
        ("a meadow full of poppies and flowers", "meadow, flower"),
        ("balloons", "meadow, balloon"),
        ("balloons over the desert", "desert, balloon"),
    ],
)
def test_plain_english_is_read(prompt: str, understood: str):
    assert read(prompt).understood == understood


@pytest.mark.parametrize(
    ("prompt", "scene", "light"),
    [
        ("Berge in der Abenddämmerung, Sonnenuntergang", "mountains", "dusk"),
        ("forêt dans la brume", "forest", "mist"),
        ("la montaña de noche", "mountains", "night"),
        ("una spiaggia al tramonto", "sea", "dusk"),
        ("夜の海", "sea", "night"),
        ("сосновый лес на рассвете", "forest", "dawn"),
        ("\N{FULLWIDTH LATIN CAPITAL LETTER S}ea", "sea", None),
        ("🏔️🌙", "mountains", "night"),
        ("☕️", "still life", None),
    ],
)
def test_other_languages_and_emoji_are_read(prompt: str, scene: str, light: str | None):
    reading = read(prompt)
    assert (reading.scene, reading.light) == (scene, light)


@pytest.mark.parametrize("prompt", ["", "   ", "Grand opening", "🫠", "ʔʘ‿ʘʔ", "\0\u2028\ud800", "12345", "ὅδε"])
def test_words_that_say_nothing_give_an_abstract_picture(prompt: str):
    assert read(prompt) == Reading(None, None, (), (), ())
    assert read(prompt).understood == "no scene, so an abstract picture"


def test_parts_of_longer_words_are_not_taken_for_words():
    assert read("seat, starter, citywide, icecreamless").scene is None
    assert read("restart the moonlighting").light is None


def test_the_scene_with_most_words_wins_and_of_equals_the_first():
    assert read("beach, waves and a mountain").scene == "sea"
    assert read("mountain by the sea").scene == "mountains"
    assert read("sea by the mountain").scene == "sea"


def test_moods_and_colours_bend_the_palette():
    plain, warm, dark, blue = (read(words).mood(1.0) for words in ("sea", "warm sea", "dark sea", "warm blue sea"))
    assert plain.hue is None
    assert warm.hue == 60
    assert dark.lightness < plain.lightness == 1
    assert blue.hue == 250
    assert blue.lean > warm.lean


def test_the_lexicon_names_what_the_painter_has():
    assert set(lexicon.SCENES) == set(SCENES)
    assert set(lexicon.LIGHTS) == set(LIGHTS)
    for scene in SCENES.values():
        assert set(scene.lights) <= set(LIGHTS)
    for thing, scene in lexicon.IMPLIED.items():
        assert thing in SCENES[scene].things
    assert set(lexicon.THINGS) == {thing for scene in SCENES.values() for thing in scene.things}


@pytest.mark.parametrize("table", [lexicon.SCENES, lexicon.LIGHTS, lexicon.THINGS, lexicon.MOODS])
def test_every_meaning_is_found_by_each_of_its_own_words(table: dict[str, str]):
    for words in table.values():
        for word in words.split():
            assert normalised(word) == word, word
            assert read(word) != read(""), word
