"""The settings of what may be spent: a part of `settings.Settings`, which alone is read from the environment."""

from __future__ import annotations

from typing import Annotated, Final, NamedTuple

from pydantic import Field
from pydantic_settings import BaseSettings

_MICRO: Final = 1_000_000
_Usd = Annotated[float, Field(ge=0, le=1_000_000)]


class Caps(NamedTuple):
    """Most that may be spent on one day (UTC), in millionths of a US dollar: for one owner, and for all; None: no limit."""

    owner: int | None
    everybody: int | None


class SpendSettings(BaseSettings):
    """Limits of what is paid for."""

    spend_cap_usd: _Usd | None = Field(
        default=None, description="Most US dollars that may be spent on pictures in a day (UTC); unset: no limit."
    )
    spend_cap_owner_usd: _Usd | None = Field(
        default=None, description="Most of them for one owner's pictures; unset: no limit."
    )

    credits_per_picture: int = Field(
        default=0,
        ge=0,
        le=1_000_000,
        description="Credits that a job takes whose picture is paid for; 0: there are none.",
    )

    @property
    def spend_caps(self) -> Caps | None:
        """Both limits; None when there is none."""
        if self.spend_cap_usd is None and self.spend_cap_owner_usd is None:
            return None
        return Caps(_micro(self.spend_cap_owner_usd), _micro(self.spend_cap_usd))


def _micro(usd: float | None) -> int | None:
    return None if usd is None else round(usd * _MICRO)
