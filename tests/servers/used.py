"""Which servers the tests of this process have used: told at the end of the run, so that nobody guesses."""

from __future__ import annotations

SAID: set[str] = set()
"""Sentences such as "Redis: /usr/bin/redis-server, Redis server v=7.0.15"."""
