"""Every setting, its default and its bounds. The only reader of the environment.

A variable is the field's name in capitals. Waiting times and leases are settings too, so that tests need not wait.
"""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import SettingsConfigDict

from snapasset.connection_settings import ConnectionSettings
from snapasset.cron import next_fire
from snapasset.errors import BadConfiguration, InvalidInput
from snapasset.provider_settings import ProviderSettings
from snapasset.spend_settings import SpendSettings
from snapasset.stream_settings import StreamSettings


class Settings(ConnectionSettings, StreamSettings, ProviderSettings, SpendSettings):
    """The settings of one process; frozen once read."""

    model_config = SettingsConfigDict(
        frozen=True, extra="ignore", env_ignore_empty=True, validate_default=False, allow_inf_nan=False
    )

    # Where it listens
    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int | None = Field(
        default=None, ge=0, le=65_535, description="Port to listen on; unset: 8000, or the next free one."
    )
    allow_anonymous: bool = Field(
        default=False, description="Let anonymous sessions in when the address is reachable from elsewhere."
    )

    # What it keeps, and where
    data_dir: Path = Field(
        default=Path(".data"), description="Folder of the record, the files and the generated secret."
    )
    database_url: SecretStr | None = Field(
        default=None,
        description="PostgreSQL database of the record, postgresql://user:password@host/name; unset: a SQLite file in DATA_DIR.",
    )
    sqlite_synchronous: Literal["FULL", "NORMAL"] = Field(
        default="FULL", description="FULL survives a power cut; NORMAL only the death of the program."
    )
    supabase_url: str | None = Field(
        default=None,
        description="Project of Supabase that keeps the files and signs users in, https://….supabase.co; unset: a folder in DATA_DIR.",
    )
    supabase_service_key: SecretStr | None = Field(
        default=None, description="Secret key (sb_secret_…) of that project, or its older service_role key."
    )
    supabase_bucket: str = Field(
        default="snapasset",
        pattern=r"^[a-z0-9][a-z0-9._-]{0,61}[a-z0-9]$",
        description="Bucket of the files; private, and made when missing.",
    )
    supabase_jwt_secret: SecretStr | None = Field(default=None, min_length=32, description="Its older JWT secret.")
    admin_claim: Literal["app_metadata.role", "role"] = Field(
        default="app_metadata.role", description="The claim that is admin in the token of a user who is one."
    )
    signing_secret: SecretStr | None = Field(
        default=None, min_length=32, description="Signs stream tokens; unset: generated and kept in the data folder."
    )

    admin_token: SecretStr | None = Field(
        default=None, min_length=32, description="Whoever sends it as a bearer token is an admin; unset: nobody is."
    )
    platforms_file: Path | None = Field(
        default=None, description="JSON file that changes the table of platforms; unset: the built-in one."
    )
    file_url_seconds: int = Field(
        default=86_400, ge=60, le=7 * 86_400, description="How long the address of a file opens it for anybody."
    )

    # What it says
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least severity that is logged."
    )
    log_format: Literal["auto", "json", "text"] = Field(
        default="auto", description="auto: readable on a terminal, JSON lines elsewhere."
    )

    # What a caller may ask
    prompt_max_length: int = Field(default=4_000, ge=1, le=32_000, description="Longest prompt, in characters.")
    body_max_bytes: int = Field(default=65_536, ge=1_024, description="Largest request body, in bytes.")
    batch_max_bytes: int = Field(default=1_000_000, ge=1_024, description="Largest body of a batch, in bytes.")
    batch_max_jobs: int = Field(default=100, ge=1, le=1_000, description="Most jobs of one batch.")
    live_jobs_per_owner: int = Field(default=1_000, ge=1, description="Most jobs of one owner that have not ended.")
    delay_max_seconds: int = Field(default=30 * 86_400, ge=0, description="Furthest a job may be put off.")
    ttl_max_seconds: int = Field(default=30 * 86_400, ge=1, description="Longest time to live of a job.")
    wait_max_seconds: int = Field(
        default=60, ge=0, description="How long a POST may wait for the end of its job when asked to."
    )

    # How jobs run
    job_max_concurrency: int = Field(default=2, ge=1, le=256, description="Jobs of one queue at once in one process.")
    retry_base_seconds: float = Field(
        default=2.0, ge=0, le=86_400, description="Pause before the second attempt; doubles each time."
    )
    retry_max_seconds: float = Field(default=300.0, ge=0, le=86_400, description="Longest pause between attempts.")
    beat_seconds: float = Field(
        default=5.0, gt=0, le=86_400, description="How often a running job says that it is alive."
    )
    lease_seconds: float = Field(
        default=15.0, gt=0, le=86_400, description="Silence after which a running job is taken over."
    )
    presence_seconds: float = Field(
        default=1.0,
        gt=0,
        le=86_400,
        description="How often a process that runs jobs says that it is there; after three times it counts as gone.",
    )
    reconcile_seconds: float = Field(
        default=1.0, gt=0, le=86_400, description="How often each process looks for what time has caused."
    )
    drain_seconds: float = Field(
        default=20.0, ge=0, le=86_400, description="How long running jobs may go on after SIGTERM."
    )
    paid_doubt: Literal["repeat", "ask"] = Field(
        default="repeat", description="repeat: one paid call of unknown outcome is repeated; ask: none is."
    )

    # Other processes
    redis_url: SecretStr | None = Field(
        default=None,
        description="Redis for rings and news: redis://[user:password@]host[:port][/number], rediss:// or unix:///path.",
    )
    redis_host: str | None = Field(default=None, description="Host of Redis, where REDIS_URL is not set.")
    redis_port: int = Field(default=6379, ge=1, le=65_535, description="Port of Redis, with REDIS_HOST.")
    redis_username: str | None = Field(default=None, description="User of Redis, with REDIS_HOST.")
    redis_password: SecretStr | None = Field(default=None, description="Password of Redis, with REDIS_HOST.")
    redis_db: int = Field(default=0, ge=0, le=65_535, description="Number of Redis's database, with REDIS_HOST.")
    redis_tls: bool = Field(default=False, description="Encrypt and verify, with REDIS_HOST.")
    redis_ca_file: Path | None = Field(
        default=None, description="Certificates to trust for Redis instead of the system's."
    )
    redis_probe_seconds: float = Field(
        default=0.5, gt=0, le=10, description="How often Redis is probed, and how long its answer is waited for."
    )
    redis_return_seconds: float = Field(
        default=5.0, ge=0, le=86_400, description="How long Redis must have answered before it is used again."
    )
    fallback_worker: Literal["auto", "on", "off"] = Field(
        default="auto",
        description="Whether the API runs jobs itself while Redis is not in use; auto: those of queues no worker serves.",
    )
    worker_host: str = Field(default="127.0.0.1", description="Address on which a worker tells how it is.")
    worker_port: int | None = Field(
        default=None, ge=0, le=65_535, description="Port on which a worker tells how it is; unset: it does not."
    )
    metrics_token: SecretStr | None = Field(
        default=None,
        min_length=16,
        description="Whoever sends it as a bearer token may read /metrics; unset: only callers on this machine.",
    )

    # Rings
    ring_cap: int = Field(default=256, ge=1, description="Most rings that wait in a queue; the record keeps the rest.")
    ring_drain_seconds: float = Field(
        default=2.0, ge=0, le=86_400, description="How long one ring goes on claiming while work waits."
    )
    ring_seconds: float = Field(
        default=0.25, gt=0, le=86_400, description="How long a submit waits for its ring to be taken."
    )

    # What is kept, and for how long; of an age and a count, the one that keeps more counts
    keep_completed_hours: float = Field(default=24.0, ge=0, description="How long a completed job is kept.")
    keep_completed_jobs: int = Field(default=100, ge=0, description="How many completed jobs of a kind are kept.")
    keep_failed_days: float = Field(default=7.0, ge=0, description="How long a failed or cancelled job is kept.")
    keep_failed_jobs: int = Field(default=200, ge=0, description="How many of those of a kind are kept.")
    keep_failed_files_days: float = Field(
        default=30.0, ge=0, description="How long the pictures of a failed generation are kept."
    )
    cleanup_cron: str = Field(
        default="0 2 * * *", description="When old files and jobs are removed, as in crontab(5); off: never."
    )
    cleanup_zone: str = Field(default="UTC", description="Time zone of CLEANUP_CRON, an IANA name.")

    # Health
    health_seconds: float = Field(
        default=1.5, gt=0, le=86_400, description="How long /health waits for a part before calling it down."
    )

    @field_validator("database_url")
    @classmethod
    def _is_postgres(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and not url.get_secret_value().startswith(("postgresql://", "postgres://")):
            raise ValueError("must begin with postgresql:// or postgres://")
        return url

    @field_validator("supabase_url")
    @classmethod
    def _is_project(cls, url: str | None) -> str | None:
        if url is not None and not url.startswith(("https://", "http://")):
            raise ValueError("must begin with https:// or http://")
        if url is not None and "@" in url:
            raise ValueError("must hold no name and no password")
        return url

    @field_validator("openai_api_key", "supabase_jwt_secret")
    @classmethod
    def _without_line_break(cls, key: SecretStr | None) -> SecretStr | None:
        """A key that was read from a file brings its line's end along; masking looks for what is sent."""
        stripped = "" if key is None else key.get_secret_value().strip()
        return SecretStr(stripped) if stripped else None

    @property
    def gone_ms(self) -> int:
        """After so much silence a process that runs jobs counts as gone; its jobs have leases of their own."""
        return round(3000 * self.presence_seconds)

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the address."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def read_settings() -> Settings:
    """The settings from the environment. Raises `BadConfiguration` naming each bad variable, never its value."""
    try:
        settings = Settings()
    except ValidationError as error:
        complaints = sorted({f"{'.'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors()})
        raise BadConfiguration("; ".join(complaints)) from None
    if settings.lease_seconds <= settings.beat_seconds:
        raise BadConfiguration("LEASE_SECONDS must be above BEAT_SECONDS, else every running job is taken over.")
    if (settings.supabase_url is None) != (settings.supabase_service_key is None):
        raise BadConfiguration(
            "SUPABASE_URL and SUPABASE_SERVICE_KEY go together, and one is not set: set both, or neither to keep files here."
        )
    _check_cleanup(settings)
    return settings


def _check_cleanup(settings: Settings) -> None:
    cron = "* * * * *" if settings.cleanup_cron == "off" else settings.cleanup_cron
    try:
        next_fire(cron, settings.cleanup_zone, after=0)
    except InvalidInput as error:
        complaints = [f"CLEANUP_{name.upper()} {complaint}" for name, complaint in error.fields.items()]
        raise BadConfiguration("; ".join(complaints)) from None
