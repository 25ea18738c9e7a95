"""The page at `/` as files: that they fit together, and keep to its content security policy and to text.

No browser: what only a browser can show is not looked at here.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from snapasset import errors
from tests.page.page_source import FILES, INDEX, MARKUP, SCRIPTS

if TYPE_CHECKING:
    from collections.abc import Iterator

IMPORTED = re.compile(r'^(?:import|export)\b[^;]*?from "(?P<from>[^"]+)";', re.MULTILINE)
NAMED = re.compile(r"^import \{(?P<names>[^}]+)\} from \"\./(?P<file>[^\"]+)\";", re.MULTILINE)
EXPORTED = re.compile(r"^export (?:async )?(?:function|class|const) (\w+)", re.MULTILINE)

MARKUP_FROM_TEXT = re.compile(
    r"\b(?:innerHTML|outerHTML|insertAdjacentHTML|createContextualFragment|DOMParser|document\.write|eval)\b"
    r"|\bnew Function\b"
)

MOST_LINES = 300

PAGES_OWN_CODES = {"no_answer_in_time", "server_unreachable"}


def imports() -> Iterator[tuple[str, str]]:
    for name, text in SCRIPTS.items():
        for found in IMPORTED.finditer(text):
            yield name, found["from"]


def test_the_page_names_its_own_files_only() -> None:
    addresses = [*MARKUP.values("src"), *MARKUP.values("href")]
    own = [address.removeprefix("/page/") for address in addresses if address.startswith("/page/")]
    others = [address for address in addresses if not address.startswith(("/page/", "#"))]

    assert others == ["/"]
    assert set(own) <= set(FILES)


def test_a_module_imports_only_modules_that_are_there() -> None:
    found = list(imports())

    assert len(found) > len(SCRIPTS)
    assert [(by, what) for by, what in found if not what.startswith("./") or what[2:] not in SCRIPTS] == []


def test_a_module_imports_only_names_that_are_exported() -> None:
    missing = [
        f"{by}: {name} of {found['file']}"
        for by, text in SCRIPTS.items()
        for found in NAMED.finditer(text)
        for name in (part.strip() for part in found["names"].split(","))
        if name and name not in EXPORTED.findall(SCRIPTS[found["file"]])
    ]

    assert missing == []


def test_every_file_has_a_use() -> None:
    used = {what[2:] for _, what in imports()}
    used |= {address.removeprefix("/page/") for address in [*MARKUP.values("src"), *MARKUP.values("href")]}

    assert set(FILES) - used == {"index.html"}


def test_the_markup_carries_no_script_and_no_style() -> None:
    handlers = [name for _, attrs in MARKUP.tags for name in attrs if name == "style" or name.startswith("on")]

    assert MARKUP.inline == []
    assert handlers == []


@pytest.mark.parametrize("name", [name for name in FILES if not name.endswith(".svg")])
def test_nothing_is_fetched_from_elsewhere(name: str) -> None:
    text = FILES[name].replace("http://www.w3.org/2000/svg", "")

    assert re.findall(r"https?://[^\s\"'`)]+|url\(|@import|\bdata:\w+/", text) == []


@pytest.mark.parametrize("name", SCRIPTS)
def test_text_never_becomes_markup(name: str) -> None:
    assert MARKUP_FROM_TEXT.findall(SCRIPTS[name]) == []
    assert re.findall(r"setAttribute\(\"(?:style|on\w+)\"", SCRIPTS[name]) == []


def test_scripts_ask_for_elements_and_symbols_that_exist() -> None:
    ids = set(MARKUP.values("id"))
    asked = {found for text in SCRIPTS.values() for found in re.findall(r"\bbyId\(\"([\w-]+)\"\)", text)}
    by_name = re.compile(r"\b(?:icon|button)\(\"(\w+)\"")
    icons = {found for text in SCRIPTS.values() for found in by_name.findall(text)}
    drawn = {value[1:] for value in MARKUP.values("href") if value.startswith("#i-")}

    assert asked
    assert asked <= ids
    assert {f"i-{name}" for name in icons} | drawn <= ids
    assert len(MARKUP.values("id")) == len(ids)


def test_what_the_markup_refers_to_exists() -> None:
    ids = set(MARKUP.values("id"))
    referring = ("for", "aria-labelledby", "aria-describedby", "aria-controls")
    referred = {one for attribute in referring for value in MARKUP.values(attribute) for one in value.split()}

    assert referred
    assert referred <= ids


def test_every_dialog_is_the_browsers_own_with_a_name() -> None:
    dialogs = MARKUP.of("dialog")
    opened = {found for text in SCRIPTS.values() for found in re.findall(r"(\w+|\))\.showModal\(", text)}

    assert len(dialogs) >= 3
    assert all(attrs.get("aria-labelledby") for attrs in dialogs)
    assert opened
    assert 'role="dialog"' not in INDEX


def test_a_choice_is_made_with_native_controls() -> None:
    made = "".join(SCRIPTS.values())

    assert re.findall(r"role: \"(?:checkbox|radio|button|switch)\"", made) == []
    assert not [attrs for _, attrs in MARKUP.tags if attrs.get("role") in {"checkbox", "radio", "button", "switch"}]
    assert made.count('type: "checkbox"') == 3


def test_each_field_of_the_form_has_its_room_for_a_complaint() -> None:
    ids = set(MARKUP.values("id"))
    found = re.search(r"^const FIELDS = \[(.+)\];$", SCRIPTS["composer.js"], re.MULTILINE)
    fields = re.findall(r"\w+", found[1] if found else "")

    assert fields
    assert {f"field-{field}" for field in fields} | {f"{field}-problem" for field in fields} <= ids


def test_addresses_of_the_server_are_made_in_one_place() -> None:
    elsewhere = [
        name for name, text in SCRIPTS.items() if name != "api.js" and ("/api/" in text or "?download" in text)
    ]

    assert elsewhere == []


def test_motion_stops_where_it_is_not_wanted() -> None:
    calm = FILES["style.css"].partition("@media (prefers-reduced-motion: reduce)")[2]

    assert "animation: none !important" in calm
    assert "transition: none !important" in calm
    assert not [name for name, text in FILES.items() if name.endswith(".css") and "scroll-behavior: smooth" in text]
    smooth = [name for name, text in SCRIPTS.items() if '"smooth"' in text]
    assert all("prefers-reduced-motion: reduce" in SCRIPTS[name] for name in smooth)


@pytest.mark.parametrize("name", FILES)
def test_no_file_grows_beyond_what_one_reads_at_once(name: str) -> None:
    assert len(FILES[name].splitlines()) <= MOST_LINES


def test_every_field_and_button_has_a_name() -> None:
    labelled = set(MARKUP.values("for"))
    nameless = [
        attrs.get("id")
        for tag, attrs in MARKUP.tags
        if tag == "textarea" and attrs.get("id") not in labelled and not attrs.get("aria-label")
    ]
    icon_buttons = [attrs for _, attrs in MARKUP.tags if "only-icon" in (attrs.get("class") or "").split()]

    assert nameless == []
    assert icon_buttons
    assert all(attrs.get("aria-label") for attrs in icon_buttons)


def test_advice_is_given_for_codes_that_exist() -> None:
    def codes(error: type[errors.SnapAssetError]) -> Iterator[str]:
        yield error.code
        for leaf in error.__subclasses__():
            yield from codes(leaf)

    table = SCRIPTS["words.js"].partition("const ADVICE = {")[2].partition("};")[0]
    advised = set(re.findall(r"^\s+(\w+):", table, re.MULTILINE))

    assert advised
    assert {code for code in advised if not code.startswith("http_")} - PAGES_OWN_CODES <= set(
        codes(errors.SnapAssetError)
    )
