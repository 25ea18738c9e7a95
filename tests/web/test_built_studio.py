"""The studio as it is really built: small, whole, with nothing inline, and served as it lies there."""

from __future__ import annotations

import gzip
import json
import re
from typing import TYPE_CHECKING, Final

import pytest

from server.studio_files import read_studio
from tests.page.page_source import Markup
from tests.server.service import opened, settings_for
from tests.web.first_load import FIRST_PAGES, LATER, fetched_later, first_load
from tests.web.studio import BUILD_SECONDS, built

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.timeout(BUILD_SECONDS + 60)

MOST_BYTES: Final = 130_000
"""Of the first load, as gzip sends it."""

MOST_BLOCKING_BYTES: Final = 500
"""Of the script that the first picture of the page waits for."""

HASHED: Final = re.compile(r"[\w.-]+-[\w-]{8}\.(?:js|css|svg|png|woff2)(?:\.br|\.gz)?")


@pytest.fixture(scope="module")
def dist() -> Path:
    return built()


@pytest.mark.parametrize("address", FIRST_PAGES)
def test_the_first_load_is_small(dist: Path, address: str) -> None:
    sizes = first_load(dist, FIRST_PAGES[address])
    assert sum(sizes.values()) <= MOST_BYTES, json.dumps(sizes, indent=2)


def test_of_each_part_is_known_whether_a_first_page_needs_it(dist: Path) -> None:
    assert fetched_later(dist) == {part for parts in FIRST_PAGES.values() for part in parts} | LATER


def test_what_is_fetched_first_is_what_counts(tmp_path: Path) -> None:
    manifest = {
        "index.html": {
            "file": "a.js",
            "isEntry": True,
            "css": ["a.css"],
            "imports": ["_b"],
            "dynamicImports": ["later"],
        },
        "_b": {"file": "b.js", "imports": ["_c", "index.html"], "css": ["b.css"]},
        "_c": {"file": "c.js"},
        "later": {"file": "later.js", "isDynamicEntry": True, "css": ["later.css"]},
    }
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    page = '<script src="/assets/first.js"></script><link href="/assets/icon.svg" />'
    for at, name in enumerate(("index.html", "a.js", "a.css", "b.js", "b.css", "c.js", "later.js", "later.css")):
        (tmp_path / name).write_bytes(b"a" * 100_000)
        (tmp_path / f"{name}.gz").write_bytes(b"a" * 10**at)
    (tmp_path / "index.html").write_text(page)
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / "first.js").write_text("")
    empty = len(gzip.compress(b""))
    assert sum(first_load(tmp_path).values()) == 111_111 + empty
    assert sum(first_load(tmp_path, ["later"]).values()) == 11_111_111 + empty
    assert fetched_later(tmp_path) == {"later"}
    (tmp_path / "c.js.gz").unlink()
    assert first_load(tmp_path)["c.js"] == len(gzip.compress(b"a" * 100_000))


def test_a_manifest_without_an_entry_is_no_small_studio(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("")
    (tmp_path / "manifest.json").write_text(json.dumps({"later": {"file": "later.js"}}))
    with pytest.raises(AssertionError, match="no entry"):
        first_load(tmp_path)


def test_a_chosen_theme_is_there_before_anything_is_drawn(dist: Path) -> None:
    scripts = Markup((dist / "index.html").read_text("utf-8")).of("script")
    assert scripts[0].keys() == {"src"}, "it must not be deferred, nor be a module"
    body = (dist / str(scripts[0]["src"]).removeprefix("/")).read_bytes()
    assert b"snapasset.theme" in body
    assert len(body) <= MOST_BLOCKING_BYTES


def test_nothing_is_inline_and_nothing_from_elsewhere(dist: Path) -> None:
    text = (dist / "index.html").read_text("utf-8")
    markup = Markup(text)
    assert markup.inline == []
    assert not markup.of("style")
    assert not [name for _, attrs in markup.tags for name in attrs if name == "style" or name.startswith("on")]
    addresses = [*markup.values("src"), *markup.values("href")]
    assert addresses
    assert all(re.fullmatch(rf"/assets/{HASHED.pattern}", address) for address in addresses)
    assert markup.of("noscript")
    assert re.search(r"<title>\w+", text)
    assert {attrs.get("name") for attrs in markup.of("meta")} >= {"viewport", "theme-color", "color-scheme"}


def test_every_name_changes_with_its_content(dist: Path) -> None:
    names = [path.name for path in (dist / "assets").iterdir()]
    assert names
    assert [name for name in names if not HASHED.fullmatch(name)] == []
    assert sorted(path.name for path in dist.iterdir() if not path.name.startswith(".")) == [
        "assets",
        "index.html",
        "manifest.json",
    ]


def test_what_is_text_has_its_smaller_forms(dist: Path) -> None:
    texts = [path for path in (dist / "assets").iterdir() if path.suffix in {".js", ".css"}]
    assert texts
    for path in texts:
        if path.stat().st_size >= 1024:
            small = path.with_name(f"{path.name}.gz")
            assert gzip.decompress(small.read_bytes()) == path.read_bytes()
            assert path.with_name(f"{path.name}.br").stat().st_size < path.stat().st_size


def test_no_source_map_is_made_or_named(dist: Path) -> None:
    assert not list(dist.rglob("*.map"))
    assert not [path.name for path in dist.rglob("*.js") if b"sourceMappingURL" in path.read_bytes()]


async def test_all_that_it_is_made_of_is_served(dist: Path, tmp_path: Path) -> None:
    studio = read_studio(dist)
    assert studio is not None
    assert studio.assets.keys() == {
        path.name for path in (dist / "assets").iterdir() if path.suffix not in {".br", ".gz"}
    }
    async with opened(settings_for(tmp_path), studio=studio) as service:
        page = await service.http.get("/")
        for name in re.findall(r'/assets/([^"]+)', page.text):
            answer = await service.http.get(f"/assets/{name}")
            assert answer.content == (dist / "assets" / name).read_bytes()
