"""What the processes say of themselves: JSON lines for machines, coloured lines for a person at a terminal.

Invariant: nobody can forge a record. One record is one line, whatever is in its message and fields: line ends, control
characters and terminal sequences are escaped. (Only a traceback shown to a person takes more lines; each of them is
escaped likewise and begins with a bar.) Secrets of the settings are masked wherever they appear.
"""

from __future__ import annotations

import json
import logging
import sys
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING, Any, Final

from pydantic import SecretStr
from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from snapasset.settings import Settings

QUIET: Final = {
    "asyncio": logging.WARNING,
    "httpx": logging.WARNING,  # tells every request, with its address
    "httpx2": logging.WARNING,  # likewise
    "httpcore2": logging.WARNING,
    "openai": logging.WARNING,  # tells prompts
    "PIL": logging.WARNING,
    "saq": logging.ERROR,  # warns at every stop of an idle worker
    "sse_starlette": logging.WARNING,
    "uvicorn": logging.ERROR,  # warns of every request that is no HTTP
}
"""Loggers of others that tell of every trifle, and from which level on they are heard."""

_MASK: Final = "**********"
_SHORTEST_SECRET: Final = 8
"""Characters: what is shorter keeps no secret, and stands in half of all lines by chance."""

_COLOURS: Final = {"DEBUG": "\x1b[2m", "INFO": "\x1b[32m", "WARNING": "\x1b[33m", "ERROR": "\x1b[31m"}
_COLOURS_OFF: Final = "\x1b[0m"

# C0 and C1 controls and DEL move the cursor or end lines; U+2028 and U+2029 end lines for some readers; the bidirectional
# controls make a terminal show a line in another order than it is written.
_UNSAFE: Final = (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
_ESCAPES: Final = {code: f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" for code in _UNSAFE} | {
    0x0A: "\\n",
    0x0D: "\\r",
    0x09: "\\t",
}

_bound: ContextVar[Mapping[str, str]] = ContextVar("bound")
_NOTHING: Final[Mapping[str, str]] = {}


def bind(**fields: str) -> None:
    """Have every record of the current task carry these fields from now on, in place of those bound before."""
    _bound.set(fields)


def configure(settings: Settings, stream: IO[str] | None = None) -> None:
    """Send all logging to `stream` (standard error), in the form the settings ask for. Calling again replaces it."""
    out = sys.stderr if stream is None else stream
    handler = logging.StreamHandler(out)
    handler.addFilter(_add_bound)
    handler.setFormatter(_formatter(settings, terminal=out.isatty()))
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(settings.log_level.upper())
    for name, level in QUIET.items():
        logging.getLogger(name).setLevel(max(level, root.level))
    logging.captureWarnings(True)


def _formatter(settings: Settings, *, terminal: bool) -> logging.Formatter:
    secrets = _secrets(settings)
    if settings.log_format == "json" or (settings.log_format == "auto" and not terminal):
        return _JsonLines(secrets)
    return _ReadableLines(secrets, coloured=terminal)


def _secrets(settings: Settings) -> tuple[str, ...]:
    """Every secret that is one, as it may stand in a line: as it is, and as JSON writes it; longest first."""
    values = [value.get_secret_value() for _, value in settings if isinstance(value, SecretStr)]
    forms = {form for value in values if len(value) >= _SHORTEST_SECRET for form in (value, json.dumps(value)[1:-1])}
    return tuple(sorted(forms, key=len, reverse=True))


def _masked(line: str, secrets: tuple[str, ...]) -> str:
    for secret in secrets:
        line = line.replace(secret, _MASK)
    return line


def _add_bound(record: logging.LogRecord) -> bool:
    for name, value in _bound.get(_NOTHING).items():
        record.__dict__.setdefault(name, value)
    return True


class _JsonLines(JsonFormatter):
    """{timestamp, level, logger, message, …fields, exception?}, in ASCII."""

    def __init__(self, secrets: tuple[str, ...]) -> None:
        super().__init__(  # pyright: ignore[reportUnknownMemberType]
            ["levelname", "name", "message"],
            rename_fields={"levelname": "level", "name": "logger", "exc_info": "exception"},
            reserved_attrs=[*RESERVED_ATTRS, "taskName", "color_message"],
        )
        self._secrets = secrets

    def process_log_record(self, log_data: dict[str, Any]) -> dict[str, Any]:
        return {"timestamp": log_data.pop("timestamp", None), **log_data}

    def add_fields(self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]) -> None:
        super().add_fields(log_data, record, message_dict)
        log_data["timestamp"] = _iso(record)
        log_data["level"] = record.levelname.lower()

    def format(self, record: logging.LogRecord) -> str:
        return _masked(super().format(record), self._secrets).replace("\x7f", "\\u007f")


class _ReadableLines(logging.Formatter):
    """Time, level, message, then the fields as name=value."""

    def __init__(self, secrets: tuple[str, ...], *, coloured: bool) -> None:
        super().__init__()
        self._secrets = secrets
        self._coloured = coloured

    def format(self, record: logging.LogRecord) -> str:
        colour, off = (_COLOURS.get(record.levelname, ""), _COLOURS_OFF) if self._coloured else ("", "")
        fields = "".join(f" {name}={_shown(value)}" for name, value in record.__dict__.items() if _is_field(name))
        time = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
        line = f"{time} {colour}{record.levelname:<7}{off} {self._clean(record.getMessage())}{self._clean(fields)}"
        if record.exc_info:
            traceback = self.formatException(record.exc_info)
            # Split at real line ends only: what else may end a line is escaped.
            line += "".join(f"\n    | {self._clean(part)}" for part in traceback.split("\n"))
        return line

    def _clean(self, text: str) -> str:
        return _masked(text, self._secrets).translate(_ESCAPES)


def _is_field(name: str) -> bool:
    return name not in RESERVED_ATTRS and name not in ("taskName", "color_message")


def _shown(value: object) -> str:
    text = str(value)
    return json.dumps(text, ensure_ascii=False) if " " in text or '"' in text or not text else text


def _iso(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
