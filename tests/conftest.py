"""What every run of the tests does: a skipped test is shown with its reason, and in strict mode it is a failure.

`SNAPASSET_TEST_STRICT=1` is how CI runs: there, what a test needs must be there.

Fault tests take long, so each says how long (`@pytest.mark.fault(seconds=30)`) and a run takes three minutes' worth of
them, by a seed that is told at the end and that `SNAPASSET_FAULTS_SEED` sets; `--faults` runs them all.

Of the tests that drive a browser only the core runs unasked: those marked `@pytest.mark.thorough` wait for `--browser`.
"""

from __future__ import annotations

import os
import random
import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator

_told: set[str] = set()
_FAULTS_SECONDS = 180.0
_seed = pytest.StashKey[int]()
_chosen = pytest.StashKey[list[str]]()

for _name in [name for name in os.environ if name.startswith("OPENAI_")]:
    del os.environ[_name]  # a developer's own key must not pay for the tests, nor for the processes that they start

STRICT = os.environ.get("SNAPASSET_TEST_STRICT") == "1"


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    detail = report.longrepr
    return str(detail[2] if isinstance(detail, tuple) else detail).removeprefix("Skipped: ")


def _judge(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Turn a skip into a failure in strict mode. A test that is expected to fail is none."""
    if STRICT and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, and in strict mode nothing may be: {_reason(report)}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _judge(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _judge(report)
    return report


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--faults", action="store_true", help="run every fault test, not only those that a seed chooses")
    parser.addoption("--browser", action="store_true", help="run every test that drives a browser, not only their core")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "fault(seconds): takes so long; without --faults a seed chooses among such tests"
    )
    config.addinivalue_line("markers", "thorough: drives a browser, and is left to --browser")
    config.stash[_chosen] = []
    given = getattr(config, "workerinput", {}).get("faults_seed") or os.environ.get("SNAPASSET_FAULTS_SEED")
    config.stash[_seed] = int(given or random.randrange(1, 1_000_000))


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """All processes of one run choose alike, or they would not agree on what there is to do."""
    node.workerinput["faults_seed"] = node.config.stash[_seed]


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    faults = [item for item in items if item.get_closest_marker("fault")]
    left, kept = _FAULTS_SECONDS, set[pytest.Item]()
    for item in random.Random(config.stash[_seed]).sample(faults, len(faults)):
        mark = item.get_closest_marker("fault")
        seconds = float(mark.kwargs["seconds"]) if mark else 0.0
        if config.getoption("faults") or seconds <= left:
            left -= seconds
            kept.add(item)
    if len(kept) < len(faults):
        _deselect(config, items, [item for item in faults if item not in kept])
        config.stash[_chosen].append(
            f"fault tests: {len(kept)} of {len(faults)}, chosen by SNAPASSET_FAULTS_SEED={config.stash[_seed]}; "
            f"{len(faults) - len(kept)} deselected, --faults runs all"
        )
    thorough = [item for item in items if item.get_closest_marker("thorough")]
    if thorough and not config.getoption("browser"):
        _deselect(config, items, thorough)
        config.stash[_chosen].append(f"browser tests: {len(thorough)} deselected, --browser runs all")


def _deselect(config: pytest.Config, items: list[pytest.Item], left_out: list[pytest.Item]) -> None:
    config.hook.pytest_deselected(items=left_out)
    gone = set(left_out)
    items[:] = [item for item in items if item not in gone]


def _used_servers() -> list[str]:
    """What this process's tests have said about the servers that they used; nothing when none needed one."""
    room = sys.modules.get("tests.servers.used")
    return sorted(room.SAID) if room else []


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand it to the process that started this one, where there is one."""
    if (output := getattr(session.config, "workeroutput", None)) is not None:
        output["servers"] = [*_used_servers(), *session.config.stash[_chosen]]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    _told.update(getattr(node, "workeroutput", {}).get("servers", ()))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for line in sorted(_told.union(_used_servers(), terminalreporter.config.stash[_chosen])):
        terminalreporter.line(line)
    skipped: list[pytest.TestReport | pytest.CollectReport] = terminalreporter.getreports("skipped")
    if skipped:
        terminalreporter.section("not run")
    for report in skipped:
        terminalreporter.line(f"{report.nodeid}: {_reason(report)}")
