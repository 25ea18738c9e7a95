"""The record that these tests stand on is the one of the contract suites."""

from __future__ import annotations

from tests.contracts.record_backends import clock, database, record

__all__ = ["clock", "database", "record"]
