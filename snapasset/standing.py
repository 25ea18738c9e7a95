"""How a service that others run stands with us: said by whoever asks it for work, told by the health check."""

from __future__ import annotations

from typing import Literal, NamedTuple, Protocol


class Standing(NamedTuple):
    """What is known of it. `why` is a sentence for whoever runs this service, without a secret.

    ok: it takes what is sent. unknown: it does not say. down: what is sent now would fail.
    """

    status: Literal["ok", "unknown", "down"]
    why: str | None = None


class Stands(Protocol):
    """Whoever asks such a service for work, or does the work himself."""

    @property
    def name(self) -> str: ...
    @property
    def model(self) -> str: ...
    @property
    def paid(self) -> bool: ...

    async def look(self) -> Standing:
        """How it stands. Asks the service when the last word is old, and never for money; raises nothing of its own."""
        ...

    def heard(self, failed_at: int) -> bool:
        """Take in when some process's work last failed there, by the record's clock. Whether `look` would say more by that."""
        ...


def made_by(name: str, standing: Standing) -> dict[str, str]:
    """The fields of a banner that say who makes the pictures and, if something is wrong with him, what."""
    return {"provider": name, **({} if standing.why is None else {"providerWhy": standing.why})}
