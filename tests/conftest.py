"""What every run of the tests does: a skipped test is shown with its reason, and in strict mode it is a failure.

`SNAPASSET_TEST_STRICT=1` is how CI runs: there, what a test needs must be there.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator

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


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped: list[pytest.TestReport | pytest.CollectReport] = terminalreporter.getreports("skipped")
    if skipped:
        terminalreporter.section("not run")
    for report in skipped:
        terminalreporter.line(f"{report.nodeid}: {_reason(report)}")
