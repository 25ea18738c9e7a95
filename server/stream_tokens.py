"""Tokens for an `EventSource` that can send neither a cookie nor a header: `?token=` opens a stream, read-only.

A job's token is a keyed hash of the job and its owner. It opens that job's stream, as long as the job lives and a day more.
An owner's token opens the stream of all his news for an hour; it names him and the hour's end, signed. Neither is stored,
and neither opens anything else. They stand in URLs, where histories and proxies see them; that is all that such a leak gives.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import os
import re
import secrets
from typing import TYPE_CHECKING, Final

from snapasset.errors import BadConfiguration, MissingUser, NotFound

if TYPE_CHECKING:
    from pathlib import Path

    from snapasset.job import Job
    from snapasset.settings import Settings

AFTERLIFE_MS: Final = 86_400_000
"""How long after its job has ended a token still opens the stream."""

OWNER_SECONDS: Final = 3_600
"""How long an owner's token opens his stream."""

_OWNER_TOKEN: Final = re.compile(r"([0-9]{1,12})\.([A-Za-z0-9_-]{1,200})\.([A-Za-z0-9_-]{43})")

_FILE: Final = "signing-secret"
_SECRET_BYTES: Final = 32


class StreamTokens:
    """Makes tokens and checks them; processes that share the secret accept each other's."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def make(self, job_id: str, owner: str) -> str:
        """The token of one job's stream."""
        return self._signed(f"stream\0{job_id}\0{owner}")

    def check(self, token: str, job: Job | None, now_ms: int) -> Job:
        """The job, if the token opens its stream. Raises `NotFound`, for an unknown job as for a wrong token."""
        expected = self.make(job.id, job.owner) if job else self.make("", "")
        fits = hmac.compare_digest(token.encode(), expected.encode())
        if job is None or not fits or (job.finished_at is not None and now_ms > job.finished_at + AFTERLIFE_MS):
            raise NotFound("There is no such job.")
        return job

    def make_for_owner(self, owner: str, now_ms: int) -> tuple[str, int]:
        """The token of all of an owner's news, and until when it is good, in ms since the epoch."""
        until = now_ms // 1000 + OWNER_SECONDS
        name = base64.urlsafe_b64encode(owner.encode()).decode().rstrip("=")
        signature = self._signed(f"news\0{until}\0{name}")
        return f"{until}.{name}.{signature}", until * 1000

    def owner_of(self, token: str, now_ms: int) -> str:
        """Whose news a token opens. Raises `MissingUser`, for one that is none as for one whose time is over."""
        parts = _OWNER_TOKEN.fullmatch(token)
        until, name, signature = parts.groups() if parts else ("0", "", "")
        expected = self._signed(f"news\0{until}\0{name}")
        if not hmac.compare_digest(signature.encode(), expected.encode()) or now_ms >= int(until) * 1000:
            raise MissingUser("The token of the stream is not valid, or its time is over: ask for another.")
        return base64.urlsafe_b64decode(name + "=" * (-len(name) % 4)).decode()

    def _signed(self, text: str) -> str:
        digest = hmac.digest(self._secret, text.encode(), hashlib.sha256)
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def read_secret(settings: Settings) -> bytes:
    """The secret of the settings, else the one kept in the data folder, made on first use and readable by its user only.

    Raises `BadConfiguration` when it can be neither read nor made.
    """
    if settings.signing_secret is not None:
        return settings.signing_secret.get_secret_value().encode()
    path = settings.data_dir / _FILE
    try:
        if not path.exists():
            _keep(path, secrets.token_urlsafe(_SECRET_BYTES))
        secret = path.read_bytes()
    except OSError as error:
        raise BadConfiguration(f"DATA_DIR cannot keep the signing secret: {error.strerror}.") from error
    if len(secret) < _SECRET_BYTES:
        raise BadConfiguration(f"DATA_DIR holds a {_FILE} that is too short to protect anything: remove that file.")
    return secret


def _keep(path: Path, secret: str) -> None:
    """Write the secret whole or not at all; of two processes that start together the first one's counts."""
    draft = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secret)
        file.flush()
        os.fsync(file.fileno())
    try:
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(draft)
    finally:
        draft.unlink()
