"""What every run of the tests does: a skipped test is shown with its reason, and in strict mode it is a failure.

`SNAPASSET_TEST_STRICT=1` is how CI runs: there, what a test needs must be there.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator

_told: set[str] = set()

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


def _used_servers() -> list[str]:
    """What this process's tests have said about the servers that they used; nothing when none needed one."""
    room = sys.modules.get("tests.servers.used")
    return sorted(room.SAID) if room else []


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand it to the process that started this one, where there is one."""
    if (output := getattr(session.config, "workeroutput", None)) is not None:
        output["servers"] = _used_servers()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    _told.update(getattr(node, "workeroutput", {}).get("servers", ()))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for line in sorted(_told.union(_used_servers())):
        terminalreporter.line(line)
    skipped: list[pytest.TestReport | pytest.CollectReport] = terminalreporter.getreports("skipped")
    if skipped:
        terminalreporter.section("not run")
    for report in skipped:
        terminalreporter.line(f"{report.nodeid}: {_reason(report)}")
