"""Reads the mark of its source out of a picture's bytes, as anybody's tool would."""

from __future__ import annotations

import re
from io import BytesIO

from PIL import Image

from worker.images.provenance import SourceType

_FOUND = re.compile(rb"DigitalSourceType[^<]{0,40}?http://cv\.iptc\.org/newscodes/digitalsourcetype/(\w{1,60})")


def read_source(data: bytes) -> SourceType | None:
    """The mark; None when there is none, or one that is not ours."""
    with Image.open(BytesIO(data)) as image:
        packet: object = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp") or b""
    found = _FOUND.search(packet.encode() if isinstance(packet, str) else bytes(packet))  # type: ignore[arg-type]
    known = {source.value.encode(): source for source in SourceType}
    return known.get(found.group(1)) if found else None
