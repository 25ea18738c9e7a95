"""How many files and connections the system lets this process hold open."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from snapasset.settings import Settings

log = logging.getLogger(__name__)

KEPT_BACK: Final = 256
"""Descriptors that connections may not take: the record, Redis and files need some."""


def with_room(settings: Settings) -> Settings:
    """The settings with `connections_max` set, to what they say or to what the system has room for if that is less."""
    limit = _allow_all()
    wanted = settings.connections_max
    room = None if limit is None else max(1, limit - KEPT_BACK)
    if room is None or (wanted is not None and wanted <= room):
        return settings
    if wanted is not None:
        log.warning(
            "CONNECTIONS_MAX is %d, but the limit of open files (%d) leaves room for %d: raise that limit",
            wanted,
            limit,
            room,
        )
    return settings.model_copy(update={"connections_max": room})


def _allow_all() -> int | None:
    """Raise this process's limit of open descriptors as far as it may, and return it; None where nobody counts them.

    Systems give a process few to begin with (often 1,024), for programs that were written when that was much, and let it
    ask for more. Each connection takes one.
    """
    if sys.platform == "win32":
        return None
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError) as error:  # macOS says "no limit", and then takes no such number
            log.warning("the limit of open files stays at %d: %s", soft, error)
        else:
            soft = hard
    return None if soft == resource.RLIM_INFINITY else soft
