"""The settings of who makes the pictures: a part of `settings.Settings`, which alone is read from the environment."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings

_NAME: Final = re.compile(
    r"(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*"
)
_NUMBERS: Final = re.compile(r"[0-9.]+")
_LONGEST: Final = 2_000


class ProviderSettings(BaseSettings):
    """Whom to ask, what for, and how long."""

    openai_api_key: SecretStr | None = Field(
        default=None,
        description="Key of OpenAI, or of a server that speaks like it; with neither this nor OPENAI_BASE_URL pictures are sketches.",
    )
    openai_base_url: SecretStr | None = Field(
        default=None, description="Another server that speaks like OpenAI, http(s)://host[:port]/v1."
    )
    openai_backend: Literal["auto", "openai", "localai", "sd-server", "vllm-omni", "sglang", "compatible"] = Field(
        default="auto",
        description="How that server wants to be asked; auto: as OpenAI for OpenAI and gpt-image models, else with DALL-E's fields.",
    )
    openai_image_model: str | None = Field(
        default=None,
        min_length=1,
        max_length=200,
        description="Model that makes the pictures; unset: gpt-image-2.6-flare at OpenAI, elsewhere what the server chooses.",
    )
    image_quality: Literal["auto", "low", "medium", "high", "xhigh", "max", "standard", "hd"] = Field(
        default="auto",
        description="How finely pictures are drawn, as far as the model knows it; auto: as the model thinks.",
    )
    image_previews: int = Field(
        default=1,
        ge=0,
        le=3,
        description="Unfinished pictures shown while one is made; each costs about 100 tokens more.",
    )
    openai_seconds: float = Field(
        default=300.0,
        gt=0,
        le=86_400,
        description="How long one picture may take; the slowest take nearly five minutes.",
    )
    openai_prices_file: Path | None = Field(
        default=None, description="JSON file of what tokens cost; unset: the built-in table, which has a date."
    )

    @field_validator("openai_base_url")
    @classmethod
    def _is_web_address(cls, url: SecretStr | None) -> SecretStr | None:
        """That pictures can be asked for there: later, each job would find out by itself, and could not tell why."""
        stripped = "" if url is None else url.get_secret_value().strip()
        if not stripped:
            return None
        if complaint := _complaint(stripped):
            raise ValueError(complaint)
        return SecretStr(stripped)


def _complaint(url: str) -> str | None:
    """Why nothing can be sent to this address, without quoting it; None when it can."""
    if not url.startswith(("https://", "http://")):
        return "must begin with https:// or http://"
    if len(url) > _LONGEST or re.search(r"[^!-~]|\\", url):
        return "must be an address as it is sent: no spaces, no backslash, nothing beyond ASCII"
    if re.search(r"[?#]", url):
        return "must end with its path: no question mark and no #"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return "has a host or a port that cannot be (a port is 1 to 65535)"
    if "@" in parts.netloc:
        return "must hold no name and no password: the key goes into OPENAI_API_KEY"
    if port == 0 or not _is_host(host, bracketed=parts.netloc.startswith("[")):
        return "has no host, or a host or a port that cannot be (a port is 1 to 65535)"
    return None


def _is_host(host: str, *, bracketed: bool) -> bool:
    try:
        if bracketed:
            return ipaddress.IPv6Address(host).scope_id is None
        if _NUMBERS.fullmatch(host):
            return bool(ipaddress.IPv4Address(host))
    except ValueError:
        return False
    return _NAME.fullmatch(host.removesuffix(".")) is not None
