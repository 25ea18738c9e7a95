"""What can go wrong with a call, named: refused, to be tried again, or perhaps charged without an answer.

Invariant: whatever is raised after the request may have been sent, and that the provider has not itself called a failure,
becomes `AnswerLost`. Nothing that the provider wrote is shown to a user: what it says can hold names of accounts.
"""

from __future__ import annotations

import email.utils
import logging
import math
import re
import ssl
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import httpx2
from openai import APIConnectionError, APIError, APIStatusError, OpenAIError

from snapasset.errors import (
    AnswerLost,
    ContentPolicy,
    InvalidPrompt,
    ProviderError,
    ProviderQuotaExceeded,
    ProviderRefused,
    ProviderTimeout,
    SnapAssetError,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

log = logging.getLogger(__name__)

LONGEST_PAUSE: Final = 86_400.0
"""Seconds: whoever asks to be left alone for longer is asked again after a day."""

_POLICY: Final = {"moderation_blocked", "content_policy_violation", "content_filter", "contentFilter"}
_QUOTA: Final = {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"}
_KEY: Final = 401
_TOO_MUCH: Final = 429
_AGAIN: Final = {408, 409, _TOO_MUCH}
_GAVE_UP_WAITING: Final = {504, 520, 524}
"""A gateway that has passed the request on and waits no longer: behind it the picture may be made, and charged."""

_SENTENCES: Final = {
    _KEY: "The picture provider does not accept this service's key.",
    403: "The picture provider does not allow this service's key to make pictures.",
    404: "The picture provider does not know the model, or there is none at its address.",
}
_NO_ADDRESS: Final = (httpx2.UnsupportedProtocol, httpx2.InvalidURL)
_NOT_SENT: Final = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.ProxyError, *_NO_ADDRESS)
"""What is raised before a request is on its way."""

_ODD: Final = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError)
"""What the SDK has been seen to raise over malformed answers."""

_PLAIN: Final = re.compile(r"[A-Za-z0-9_.:/\-]{1,100}")


class KeyRefused(ProviderRefused):
    """The key itself is not accepted: no request will be, until it is another."""


@contextmanager
def named_faults(request_id: list[str]) -> Generator[None]:
    """Raise what goes wrong with a paid call inside the block as a `SnapAssetError`.

    `request_id` is filled by the block as soon as the provider's name for the call is known.
    """
    try:
        yield
    except SnapAssetError:
        raise
    except APIStatusError as error:
        raise of_status(error) from error
    except APIConnectionError as error:
        raise _of_connection(error) from error
    except _NO_ADDRESS as error:
        raise _not_sent() from error
    except APIError as error:
        raise broken_off({error.code, error.type}, plain(error.code), request_id) from error
    except (OpenAIError, httpx2.HTTPError, httpx2.StreamError, ssl.SSLError) as error:
        raise lost("The picture provider's answer was lost on the way", request_id) from error
    except _ODD as error:
        raise lost("The picture provider's answer makes no sense", request_id) from error


def lost(what: str, request_id: list[str]) -> AnswerLost:
    """A call that was sent and whose picture is not here; `what` begins the sentence."""
    return AnswerLost(told(f"{what}; the call may have been charged.", *request_id))


def told(sentence: str, request_id: str | None = None, code: str | None = None) -> str:
    """A sentence with what whoever runs this can look the call up by."""
    marks = [f"{name} {value}" for name, value in (("request", request_id), ("code", code)) if value]
    return f"{sentence.removesuffix('.')} ({', '.join(marks)})." if marks else sentence


def plain(text: object) -> str | None:
    """A name that a provider gave, if it is one: it goes into logs and sentences."""
    return text if isinstance(text, str) and _PLAIN.fullmatch(text) else None


def of_status(error: APIStatusError) -> SnapAssetError:
    """An answer that says by its status that there is no picture."""
    status, codes = error.status_code, {error.code, error.type}
    marks = plain(error.request_id), plain(error.code)
    log.warning(
        "the picture provider answered with an error",
        extra={"status": status, "requestId": marks[0], "providerCode": marks[1]},
    )
    if named := _by_code(codes, marks):
        return named
    if status in _GAVE_UP_WAITING:
        return lost("The picture provider's gateway gave up waiting", [mark for mark in marks[:1] if mark])
    if status in _AGAIN or status >= 500:
        sentence = "The picture provider has too much to do." if status == _TOO_MUCH else ProviderError.sentence
        return ProviderError(told(sentence, *marks), retry_after_seconds=retry_after(error.response.headers))
    if error.param == "prompt":
        return InvalidPrompt(told("The picture provider does not take this prompt.", *marks))
    kind = KeyRefused if status == _KEY else ProviderRefused
    return kind(told(_SENTENCES.get(status, f"The picture provider refused the request with status {status}."), *marks))


def retry_after(headers: Mapping[str, str]) -> float | None:
    """For how many seconds it wants to be left alone: 0 to a day; None when it does not say.

    RFC 9110, 10.2.3: seconds or a date; beside it the header of OpenAI's own that counts milliseconds.
    """
    for name, divisor in (("retry-after-ms", 1_000.0), ("retry-after", 1.0)):
        try:
            seconds = float(headers.get(name, "")) / divisor
        except ValueError:
            continue
        if not math.isnan(seconds):
            return min(LONGEST_PAUSE, max(0.0, seconds))
    try:
        at = email.utils.parsedate_to_datetime(headers.get("retry-after", "")).timestamp()
    except (ValueError, TypeError, OverflowError, OSError):
        return None
    return min(LONGEST_PAUSE, max(0.0, at - time.time()))


def broken_off(codes: set[str | None], code: str | None, request_id: list[str]) -> SnapAssetError:
    """An error told where the answer had begun, under a status of 200: what it had cost by then nobody says."""
    marks = request_id[0] if request_id else None, code
    log.warning("the picture provider broke off with an error", extra={"requestId": marks[0], "providerCode": code})
    if named := _by_code(codes, marks):
        return named
    return AnswerLost(told("The picture provider broke off; the call may have been charged.", *marks))


def _by_code(codes: set[str | None], marks: tuple[str | None, str | None]) -> SnapAssetError | None:
    if codes & _POLICY:
        return ContentPolicy(told(ContentPolicy.sentence, *marks))
    if codes & _QUOTA:
        return ProviderQuotaExceeded(told(ProviderQuotaExceeded.sentence, *marks))
    return None


def _of_connection(error: APIConnectionError) -> ProviderError:
    """A connection that failed: before anything was sent, or at any time after that."""
    if isinstance(error.__cause__, httpx2.ConnectTimeout | httpx2.PoolTimeout):
        return ProviderTimeout("The picture provider could not be reached in time; nothing was sent.")
    if isinstance(error.__cause__, _NOT_SENT):
        return _not_sent()
    return lost("The picture provider's answer was lost on the way", [])


def _not_sent() -> ProviderError:
    return ProviderError("The picture provider could not be reached; nothing was sent.")
