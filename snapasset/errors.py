"""Every error SnapAsset can name, as one tree.

    SnapAssetError                      code, sentence for a human, retryable
    ├── Refused                         the caller's fault: nothing was done, asking again changes nothing
    │   ├── InvalidInput                invalid_input           names the fields
    │   │   ├── InvalidPrompt           invalid_prompt
    │   │   └── UnknownPlatform         unknown_platform
    │   ├── UnknownKind                 unknown_kind
    │   ├── MissingUser                 missing_user
    │   ├── NotFound                    not_found
    │   ├── Conflict                    conflict                the record's state forbids it
    │   ├── KeyReused                   idempotency_key_reused  the same key came with another request
    │   ├── TooManyJobs                 too_many_jobs           the owner has too many unended jobs
    │   ├── NotEnoughCredits            not_enough_credits
    │   ├── SpendCapReached             spend_cap_reached       what may be spent in a day is spent; says when to come again
    │   └── LinkExpired                 link_expired            a signed address whose time is over
    ├── Unavailable                     a part of SnapAsset is away: try again
    │   ├── DatabaseUnavailable         database_unavailable
    │   ├── StorageUnavailable          storage_unavailable
    │   │   └── StorageUnusable         storage_unavailable     it answers, and will not do before somebody mends what is named
    │   └── QueueUnavailable            queue_unavailable       nobody outside sees it: the record has the job
    ├── StorageFailed                   storage_upload_failed
    │   └── StorageQuotaExceeded        storage_quota_exceeded  the disk or bucket is full
    ├── FileMissing                     file_missing
    ├── BadPicture                      bad_picture             bytes that are no usable picture
    ├── ProviderError                   provider_failed         may say when to come again
    │   ├── ProviderTimeout             provider_timeout        it could not be reached in time: nothing was sent
    │   ├── ProviderRefused             provider_refused        the key, the model or a parameter is not accepted
    │   ├── ProviderQuotaExceeded       provider_quota_exceeded
    │   ├── ContentPolicy               content_policy
    │   ├── AnswerLost                  provider_answer_lost    sent, no usable answer: it may have been charged
    │   │   └── DownloadFailed          download_failed         made, and its file could not be fetched
    │   │       └── DownloadRefused     download_refused        from where nothing is fetched
    │   └── OutcomeUnknown              outcome_unknown         paid call without an answer, twice
    ├── JobTimeout                      job_timeout             ran longer than its kind allows
    ├── WorkerLost                      worker_lost             the worker died, or fell silent, while it ran the job
    ├── Expired                         expired                 its time to live was over before it was begun
    ├── DependencyFailed                dependency_failed       a job that it depends on has failed or was cancelled
    ├── ProcessorFailed                 internal_error          the kind's own code raised
    └── BadConfiguration                bad_configuration       names the variable, never its value

Codes are stored and sent: they never change. HTTP statuses are not known here; `server/problems.py` has that table.
"""

from __future__ import annotations

from typing import ClassVar


class SnapAssetError(Exception):
    """Base of all named errors.

    Attributes:
        code: stable, machine-readable, snake_case.
        sentence: what a person may be shown; never holds a secret.
        retryable: whether the same act may succeed when tried again.
    """

    code: ClassVar[str] = "internal_error"
    sentence: ClassVar[str] = "Something went wrong on our side."
    retryable: ClassVar[bool] = False

    def __init__(self, detail: str | None = None) -> None:
        self.detail = detail or self.sentence
        super().__init__(self.detail)


class Refused(SnapAssetError):
    code = "refused"
    sentence = "The request was refused."


class InvalidInput(Refused):
    """Input that breaks a rule; `fields` maps each offending field's path to its complaint."""

    code = "invalid_input"
    sentence = "The input is not valid."

    def __init__(self, detail: str | None = None, fields: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.fields = fields or {}


class InvalidPrompt(InvalidInput):
    code = "invalid_prompt"
    sentence = "The prompt is empty or too long."


class UnknownPlatform(InvalidInput):
    code = "unknown_platform"
    sentence = "One of the platforms is not known."


class UnknownKind(Refused):
    code = "unknown_kind"
    sentence = "There is no such kind of job."


class MissingUser(Refused):
    code = "missing_user"
    sentence = "This needs a session or a signed-in user."


class NotFound(Refused):
    code = "not_found"
    sentence = "There is no such thing, or it is not yours."


class Conflict(Refused):
    code = "conflict"
    sentence = "The job's state does not allow this."


class KeyReused(Refused):
    code = "idempotency_key_reused"
    sentence = "This Idempotency-Key was used for another request before."


class TooManyJobs(Refused):
    code = "too_many_jobs"
    sentence = "Too many of your jobs have not ended yet."
    retryable = True


class NotEnoughCredits(Refused):
    code = "not_enough_credits"
    sentence = "You have not enough credits left for this."


class SpendCapReached(Refused):
    """What may be spent in a day is spent, or promised; `retry_after_seconds` is how long that day still lasts."""

    code = "spend_cap_reached"
    sentence = "What may be spent today is spent; come again tomorrow."
    retryable = True

    def __init__(self, detail: str | None = None, *, retry_after_seconds: float | None = None) -> None:
        super().__init__(detail)
        self.retry_after_seconds = retry_after_seconds


class LinkExpired(Refused):
    code = "link_expired"
    sentence = "This link has expired; ask for the job or generation again to get a fresh one."


class Unavailable(SnapAssetError):
    code = "unavailable"
    sentence = "A part of the service is away; try again."
    retryable = True


class DatabaseUnavailable(Unavailable):
    code = "database_unavailable"
    sentence = "The database cannot be reached; try again."


class StorageUnavailable(Unavailable):
    code = "storage_unavailable"
    sentence = "The file storage cannot be reached; try again."


class StorageUnusable(StorageUnavailable):
    """It is no outage, which would pass: a key that is refused, a bucket that is not there or is not the one.

    What is put into it now may never get there, so nothing is paid for meanwhile, and jobs that need it wait.
    """


class QueueUnavailable(Unavailable):
    """Redis cannot be used; says why. Work goes on without it."""

    code = "queue_unavailable"
    sentence = "The queue cannot be reached."


class StorageFailed(SnapAssetError):
    code = "storage_upload_failed"
    sentence = "A file could not be stored."
    retryable = True


class StorageQuotaExceeded(StorageFailed):
    code = "storage_quota_exceeded"
    sentence = "The file storage is full."
    retryable = False


class FileMissing(SnapAssetError):
    code = "file_missing"
    sentence = "The file is gone from the storage."


class BadPicture(SnapAssetError):
    code = "bad_picture"
    sentence = "The bytes are not a picture that can be used."


class ProviderError(SnapAssetError):
    """A provider's failure; `retry_after_seconds` is how long it asks to be left alone, None when it does not say."""

    code = "provider_failed"
    sentence = "The picture provider failed."
    retryable = True

    def __init__(self, detail: str | None = None, *, retry_after_seconds: float | None = None) -> None:
        super().__init__(detail)
        self.retry_after_seconds = retry_after_seconds


class ProviderTimeout(ProviderError):
    code = "provider_timeout"
    sentence = "The picture provider did not answer in time."


class ProviderRefused(ProviderError):
    code = "provider_refused"
    sentence = "The picture provider refused the request."
    retryable = False


class ProviderQuotaExceeded(ProviderError):
    code = "provider_quota_exceeded"
    sentence = "The picture provider's quota is used up."
    retryable = False


class ContentPolicy(ProviderError):
    code = "content_policy"
    sentence = "The picture provider refused the prompt for its content."
    retryable = False


class AnswerLost(ProviderError):
    """The request was sent and no usable answer came back: a read time-out, a cut stream, a reset, bytes that are no picture.

    The one kind of error that is ambiguous about payment: the call may have been charged.
    """

    code = "provider_answer_lost"
    sentence = "The picture provider's answer was lost on the way; the call may have been charged."


class DownloadFailed(AnswerLost):
    code = "download_failed"
    sentence = "The finished picture could not be fetched."


class DownloadRefused(DownloadFailed):
    code = "download_refused"
    sentence = "The finished picture lies where nothing is fetched from."
    retryable = False


class OutcomeUnknown(ProviderError):
    code = "outcome_unknown"
    sentence = "A paid call got no answer; it may have been charged, so it is not repeated."
    retryable = False


class JobTimeout(SnapAssetError):
    code = "job_timeout"
    sentence = "The job ran longer than its kind allows."
    retryable = True


class WorkerLost(SnapAssetError):
    code = "worker_lost"
    sentence = "The worker died while it ran this job."
    retryable = True


class Expired(SnapAssetError):
    code = "expired"
    sentence = "The job's time to live was over before it was begun."


class DependencyFailed(SnapAssetError):
    code = "dependency_failed"
    sentence = "A job that this one depends on has failed or was cancelled."


class ProcessorFailed(SnapAssetError):
    code = "internal_error"
    sentence = "The job failed because of an error in its own code."
    retryable = True


class BadConfiguration(SnapAssetError):
    code = "bad_configuration"
    sentence = "The configuration is not usable."


def wire_error(error: SnapAssetError) -> dict[str, object]:
    """A named error as it stands in events and results: `{code, message, retryable}`."""
    message = error.detail.encode(errors="replace").decode()  # half a surrogate pair would be refused by every encoder
    return {"code": error.code, "message": message, "retryable": error.retryable}
