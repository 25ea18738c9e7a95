"""The house rules that no tool knows. Each is a function from a file's path and text to what is wrong with it.

Every rule carries a sample that breaks it, and one that looks like it and does not; a test runs both, so that no rule
is there for show. What a rule looks for is spelled in pieces, so that this file keeps the rules too.
"""

from __future__ import annotations

import ast
import re
import sys
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SOURCE_LINES = 300
TEST_LINES = 500
LONGER: dict[str, int] = {}
"""Files that may be longer than the budget, with the most lines that each may have, and why."""

MADE = {"web/src/sdk/schema.ts"}
"""Files that a program has written, and that nobody reads from top to bottom."""

SET_UP = {"dev.py", "web/node.py", "web/check.py"}
"""What starts other programs on a developer's machine, and is no part of the service."""

PACKAGES = ("snapasset/", "worker/", "server/")

_CODE = {".py", ".ts", ".tsx", ".js", ".css", ".html", ".sql", ".sh"}
_FOR_NOTHING = {"common", "util", "utils", "helper", "helpers", "misc"}
_HOSTS = [
    ("py" + "pi", "org"), ("python" + "hosted", "org"), ("npm" + "js", "org"), ("npm" + "js", "com"),
    ("yarn" + "pkg", "com"), ("crates", "io"), ("ruby" + "gems", "org"), ("golang", "org"), ("deb" + "ian", "org"),
    ("ubun" + "tu", "com"), ("gh" + "cr", "io"), ("docker", "io"), ("quay", "io"), ("anaconda", "org"), ("gcr", "io"),
]  # fmt: skip
_REGISTRY = re.compile(
    r"\b(?:" + "|".join(rf"{re.escape(name)}\.{end}" for name, end in _HOSTS) + r")\b", re.IGNORECASE
)
_INDEX_OPTION = re.compile(r"^\s*(?:-i|-f|--index-url|--extra-index-url|--find-links)\b|://", re.MULTILINE)
_MACHINE_PATH = re.compile(
    r"(?<![\w.~-])(?:/(?:wo" + r"rk|fa" + r"rm|ro" + r"ot|ho" + r"me|Us" + r"ers)/\w|[A-Z]:\\Us" + r"ers)"
)
_POSTGRES_MIGRATION = re.compile(r"snapasset/database/migrations/postgres/(\d{4})_\w+\.sql")
_OLDEST = re.compile(r"-- min_compatible: (\d+)\n")
_CHANGED_TYPE = re.compile(
    r"\bALTER (?:COLUMN )?\"?\w+\"? (?:SET DATA )?TYPE [^;,]+|\bALTER TYPE [^;]+|\bALTER DOMAIN [^;]+", re.IGNORECASE
)
_TAKEN_AWAY = re.compile(
    r"\bDROP (?:COLUMN|TABLE|SCHEMA|TYPE)\b[^;,]*"
    r"|\bRENAME (?:TO|(?:COLUMN )?\"?\w+\"? TO)\b[^;,]*"
    r"|\bALTER TABLE (?:ONLY )?\"?[\w.]+\"? DROP (?!CONSTRAINT\b)\"?\w+[^;,]*",
    re.IGNORECASE,
)
_LEFT_OVER = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")


def longer_than_a_file_may_be(path: str, text: str) -> Iterator[str]:
    is_test = path.startswith(("tests/", "web/tests/")) or ".test." in path
    allowed = LONGER.get(path, TEST_LINES if is_test else SOURCE_LINES)
    lines = text.count("\n")
    if PurePosixPath(path).suffix in _CODE and lines > allowed and path not in MADE:
        yield f"{lines} lines, {allowed} allowed"


def named_for_nothing(path: str, _text: str) -> Iterator[str]:
    for part in PurePosixPath(path).parts:
        if part.split(".")[0].lower() in _FOR_NOTHING:
            yield f"`{part}` says nothing about what is in it"


def names_a_registry(path: str, text: str) -> Iterator[str]:
    yield from (f"names {found}" for found in _REGISTRY.findall(text))
    if path.startswith("requirements/"):
        yield from (f"names an index: {found}" for found in _INDEX_OPTION.findall(text))


def names_a_machine(_path: str, text: str) -> Iterator[str]:
    yield from (f"names a path of one machine: {found}" for found in _MACHINE_PATH.findall(text))


def leaves_work_behind(_path: str, text: str) -> Iterator[str]:
    yield from (f"says {found}: do it, or write down why not" for found in _LEFT_OVER.findall(text))


def reads_the_environment(path: str, text: str) -> Iterator[str]:
    if (
        path.endswith(".py")
        and not path.startswith(("tests/", "bench/"))
        and path not in {"snapasset/settings.py", *SET_UP}
    ):
        for node in ast.walk(ast.parse(text)):
            match node:
                case ast.Attribute(value=ast.Name(id="os"), attr="environ" | "environb" | "getenv" | "putenv" as name):
                    yield f"line {node.lineno}: os.{name}"
                case ast.ImportFrom(module="os", names=names) if any("env" in alias.name for alias in names):
                    yield f"line {node.lineno}: imports the environment"
                case _:
                    pass


def hides_an_import(path: str, text: str) -> Iterator[str]:
    """Find imports by call: the import contracts cannot see them. The standard library's modules are free."""
    if path.endswith(".py") and path.startswith(PACKAGES):
        for node in ast.walk(ast.parse(text)):
            match node:
                case ast.Call(func=ast.Attribute(attr=called) | ast.Name(id=called), args=[wanted, *_]):
                    free = isinstance(wanted, ast.Constant) and wanted.value in sys.stdlib_module_names
                    if called in {"import_module", "__import__"} and not free:
                        yield f"line {node.lineno}: {ast.unparse(node)}"
                case _:
                    pass


def changes_what_old_programs_use(path: str, text: str) -> Iterator[str]:
    """Find what an older program beside the schema would not survive (decision 0020).

    Its connections keep the types that they have asked for, so a column never changes its type in place, whatever is said of
    old programs. Columns and tables go, or get another name, only in a file that says no older program suits it.
    """
    match = _POSTGRES_MIGRATION.fullmatch(path)
    if match is None:
        return
    sql = " ".join(re.sub(r"--.*", "", text).split())
    yield from (f"changes a type in place: {found}" for found in _CHANGED_TYPE.findall(sql))
    oldest = _OLDEST.match(text)
    if oldest is None or int(oldest[1]) < int(match[1]):
        yield from (f"takes away what older programs use: {found}" for found in _TAKEN_AWAY.findall(sql))


class Rule(NamedTuple):
    find: Callable[[str, str], Iterator[str]]
    broken: tuple[str, str]
    kept: tuple[str, str]


_OLD = "snapasset/database/migrations/postgres/0009_a.sql"

RULES = [
    Rule(longer_than_a_file_may_be, ("worker/a.py", "\n" * 301), ("tests/test_a.py", "\n" * 500)),
    Rule(longer_than_a_file_may_be, ("web/src/a.ts", "\n" * 301), ("web/src/sdk/schema.ts", "\n" * 3_000)),
    Rule(named_for_nothing, ("server/utils/a.py", ""), ("server/utilities_bill.py", "")),
    Rule(names_a_registry, ("README.md", "see https://py" + "pi.org/"), ("README.md", "pip asks its index")),
    Rule(names_a_registry, ("requirements/a.txt", "--index-url x\n"), ("docs/a.md", "--index-url x\n")),
    Rule(
        names_a_machine, ("docs/a.md", "cd /ro" + "ot/project"), ("docs/a.md", "server/ro" + "ot/x and /api/ho" + "me")
    ),
    Rule(leaves_work_behind, ("server/a.py", "# TO" + "DO: later"), ("server/a.py", "# to do it well")),
    Rule(
        reads_the_environment, ("server/a.py", "import os\nos.environ['A']"), ("dev.py", "import os\nos.environ['A']")
    ),
    Rule(reads_the_environment, ("worker/a.py", "from os import getenv"), ("worker/a.py", "from os import getpid")),
    Rule(hides_an_import, ("server/a.py", "importlib.import_module('saq')"), ("server/a.py", "__import__('fcntl')")),
    Rule(hides_an_import, ("worker/a.py", "import_module(name)"), ("tests/a.py", "import_module(name)")),
    Rule(
        changes_what_old_programs_use,
        (_OLD, "-- min_compatible: 9\nALTER TABLE jobs ALTER COLUMN beat\n  TYPE text;"),
        (_OLD, "-- min_compatible: 1\n-- ALTER COLUMN beat TYPE text\nALTER TABLE jobs ADD COLUMN type text;"),
    ),
    Rule(
        changes_what_old_programs_use,
        (_OLD, "-- min_compatible: 9\nALTER TABLE jobs ALTER beat SET DATA TYPE text;"),
        (_OLD, "-- min_compatible: 1\nALTER TABLE jobs ALTER COLUMN beat SET DEFAULT 0;"),
    ),
    Rule(
        changes_what_old_programs_use,
        (_OLD, "-- min_compatible: 8\nALTER TABLE jobs DROP COLUMN beat;"),
        (_OLD, "-- min_compatible: 9\nALTER TABLE jobs DROP COLUMN beat;"),
    ),
    Rule(
        changes_what_old_programs_use,
        (_OLD, "-- min_compatible: 1\nALTER TABLE jobs RENAME COLUMN beat TO beats;"),
        (_OLD, "-- min_compatible: 1\nDROP INDEX jobs_ready; ALTER TABLE jobs DROP CONSTRAINT jobs_check;"),
    ),
    Rule(
        changes_what_old_programs_use,
        (_OLD, "-- min_compatible: 1\nALTER TABLE jobs DROP beat;"),
        ("docs/a.sql", "-- min_compatible: 1\nDROP TABLE jobs;"),
    ),
]
