"""A call, sent by the SDK and read to its end: previews as they come, then the one answer.

Everything that comes is looked at as if anybody had sent it: the SDK checks no answer against its own types.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from openai import AsyncStream

from worker.providers.openai.faults import broken_off, lost, named_faults, plain

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from openai import AsyncOpenAI

    from worker.providers.openai.order import Order

_PARTIAL: Final = "image_generation.partial_image"
_COMPLETED: Final = "image_generation.completed"
_ERROR: Final = "error"
_STREAM: Final = "text/event-stream"
_LONGEST_WORDS: Final = 500


class Unfinished(NamedTuple):
    """A preview: its number, from 0, and the picture in base64."""

    number: int
    packed: str


class Answer(NamedTuple):
    """What came of a call: the picture in base64, or else the address where it lies, and what was said of it."""

    packed: str | None
    url: str | None
    request_id: str | None
    usage: Mapping[str, Any]
    quality: str | None
    understood: str | None


async def ask(client: AsyncOpenAI, order: Order) -> AsyncGenerator[Unfinished | Answer]:
    """Send it, once. Yields the previews and, last, the answer; close it when you go away before that.

    Raises a `ProviderError` or `InvalidPrompt`; `AnswerLost` for whatever comes back that is no answer.
    """
    request_id: list[str] = []
    with named_faults(request_id):
        create: Any = client.images.with_streaming_response.generate
        async with create(**order.fields, extra_body=order.extra or None) as response:
            if name := plain(response.headers.get("x-request-id")):
                request_id.append(name)
            if not (order.previews and response.headers.get("content-type", "").lower().startswith(_STREAM)):
                yield _in_body(await response.json(), request_id)
                return
            # As it was sent: types of the SDK's would make numbers of texts and of truths.
            async for event in await response.parse(to=AsyncStream[object]):
                fields = _mapping(event)
                packed, kind = _text(fields, "b64_json"), fields.get("type")
                if kind == _COMPLETED:
                    yield _answer(fields, fields, request_id)
                    return
                if kind == _ERROR:
                    raise _told_off(fields, request_id)
                number = fields.get("partial_image_index")
                if kind == _PARTIAL and packed and type(number) is int and 0 <= number < order.previews:
                    yield Unfinished(number, packed)
        raise lost("The picture provider's stream ended without a picture", request_id)


def _in_body(body: object, request_id: list[str]) -> Answer:
    """The answer in a body of JSON. A server that cannot stream sends one though a stream was asked for."""
    whole = _mapping(body)
    pictures = whole.get("data")
    if whole.get(_ERROR) and not pictures:
        raise _told_off(whole, request_id)
    if not isinstance(pictures, list) or not pictures:
        raise lost("The picture provider's answer holds no picture", request_id)
    return _answer(whole, _mapping(cast("list[object]", pictures)[0]), request_id)


def _told_off(fields: Mapping[str, Any], request_id: list[str]) -> Exception:
    """An error in the place of an answer: in a field of that name, as OpenAI tells it, or in the event itself."""
    error = _mapping(fields.get(_ERROR)) or fields
    return broken_off({_text(error, "code"), _text(error, "type")}, plain(error.get("code")), request_id)


def _answer(whole: Mapping[str, Any], picture: Mapping[str, Any], request_id: list[str]) -> Answer:
    packed, url = _text(picture, "b64_json"), _text(picture, "url")
    if not packed and not url:
        raise lost("The picture provider's answer holds no picture", request_id)
    words = _text(picture, "revised_prompt")
    return Answer(
        packed=packed,
        url=url,
        request_id=request_id[0] if request_id else None,
        usage=_mapping(whole.get("usage")),
        quality=plain(whole.get("quality")),
        understood=_encodable(" ".join(words.split())[:_LONGEST_WORDS]) if words else None,
    )


def _mapping(value: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}


def _text(fields: Mapping[str, Any], name: str) -> str | None:
    value = fields.get(name)
    return value if isinstance(value, str) and value else None


def _encodable(words: str) -> str:
    """The words without halves of surrogate pairs: no encoder takes those, and the picture is paid for."""
    return words.encode(errors="replace").decode()
