"""Why a queue has paused itself, and how it goes on: the same words in the health check and in the log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from snapasset.errors import ProviderQuotaExceeded

if TYPE_CHECKING:
    from snapasset.settings import Settings

_REASONS: Final = {ProviderQuotaExceeded.code: "Paused: the provider's quota is used up."}


def why_paused(settings: Settings, queue: str, reason: str) -> str:
    """A sentence on a queue that has paused itself for `reason`, a code, and on who may have it go on, and how."""
    return f"{_REASONS.get(reason, reason)} Mend that, then {_way_on(settings, queue)}."


def _way_on(settings: Settings, queue: str) -> str:
    """How a queue is resumed here: who meets that first may never have heard of admins."""
    resume = f"resume by POST /api/queues/{queue}/resume"
    bearer, user = "with ADMIN_TOKEN as bearer token", f"as a user whose {settings.admin_claim} is admin"
    users = settings.supabase_url is not None
    if settings.admin_token is not None:
        return f"{resume} {bearer}, or {user}" if users else f"{resume} {bearer}"
    if users:
        return f"{resume} {user} (ADMIN_TOKEN is not set)"
    return f"set ADMIN_TOKEN, as nobody is an admin here yet, start again, and {resume} {bearer}"
