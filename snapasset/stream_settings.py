"""The settings of streams: a part of `settings.Settings`, which alone is read from the environment."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings


class StreamSettings(BaseSettings):
    """How streams are kept alive, how long, and how many."""

    heartbeat_seconds: float = Field(
        default=15.0, gt=0, le=86_400, description="Pause between comment lines on a silent stream."
    )
    stream_retry_ms: int = Field(
        default=2_000, ge=100, description="What a stream tells the browser to wait before reconnecting."
    )
    stream_age_seconds: float = Field(
        default=600.0,
        gt=0,
        le=86_400,
        description="Age at which a stream is ended, give or take a fifth; its client resumes it.",
    )
    stream_frozen_seconds: float = Field(
        default=45.0, gt=0, le=86_400, description="How long a reader may take nothing before it is cut."
    )
    stream_drain_seconds: float = Field(
        default=5.0, ge=0, le=86_400, description="Over how long many streams are ended after SIGTERM."
    )
    streams_max: int = Field(default=20_000, ge=1, description="Most streams of one process.")
    streams_per_owner: int = Field(default=1_000, ge=1, description="Most streams of one owner's jobs in one process.")
    sweep_seconds: float = Field(
        default=1.0,
        gt=0,
        le=86_400,
        description="How often watched jobs are compared with the record; another process may run them.",
    )
    sweep_redis_seconds: float = Field(
        default=5.0,
        gt=0,
        le=86_400,
        description="How often that is done while Redis carries the news between processes.",
    )
