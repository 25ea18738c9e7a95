"""The house rules hold for every file of the project, and each of them can fail."""

from __future__ import annotations

import pytest

from tests.architecture.house_rules import LONGER, RULES, SOURCE_LINES, Rule
from tests.architecture.tree import ROOT, project_files, text_of, walked

FILES = [(path, text) for path in project_files() if (text := text_of(path)) is not None]


def _name(rule: Rule) -> str:
    return rule.find.__name__


@pytest.mark.parametrize("rule", {rule.find.__name__: rule for rule in RULES}.values(), ids=_name)
def test_no_file(rule: Rule) -> None:
    complaints = [f"{path}: {complaint}" for path, text in FILES for complaint in rule.find(path, text)]
    assert not complaints, "\n".join(complaints)


@pytest.mark.parametrize("rule", RULES, ids=_name)
def test_a_rule_finds_what_breaks_it_and_nothing_else(rule: Rule) -> None:
    assert list(rule.find(*rule.broken))
    assert not list(rule.find(*rule.kept))


def test_longer_files_are_still_there_and_still_longer() -> None:
    sizes = {path: text.count("\n") for path, text in FILES}
    assert all(SOURCE_LINES < sizes[path] <= allowed for path, allowed in LONGER.items())


def test_the_rules_see_the_project() -> None:
    paths = {path for path, _ in FILES}
    assert {"dev.py", "pyproject.toml", ".ci/run", "snapasset/errors.py", "tests/conftest.py"} <= paths
    assert not any(".venv" in path or "__pycache__" in path for path in paths)


def test_without_git_the_same_files_are_seen() -> None:
    assert {path for path, _ in FILES} <= set(walked(ROOT))
