"""The mark that says how a picture was made: IPTC's digital source type, as XMP, in every file that leaves.

The property is `Iptc4xmpExt:DigitalSourceType` of the IPTC Photo Metadata Standard, its values are URIs of the
controlled vocabulary http://cv.iptc.org/newscodes/digitalsourcetype/.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from PIL import PngImagePlugin

_VOCABULARY = "http://cv.iptc.org/newscodes/digitalsourcetype/"
_PNG_KEYWORD = "XML:com.adobe.xmp"

_PACKET = """<?xpacket begin="\N{ZERO WIDTH NO-BREAK SPACE}" id="W5M0MpCehiHzreSzNTczkc9d"?>\
<x:xmpmeta xmlns:x="adobe:ns:meta/">\
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\
<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" \
Iptc4xmpExt:DigitalSourceType="{uri}"/>\
</rdf:RDF></x:xmpmeta><?xpacket end="r"?>"""


class SourceType(StrEnum):
    """How a picture came to be; the values are IPTC's own."""

    TRAINED = "trainedAlgorithmicMedia"
    """Made by a model that was trained on other pictures."""

    ALGORITHMIC = "algorithmicMedia"
    """Made by an algorithm alone: the sketch. Such a picture also wears a visible badge."""

    @property
    def uri(self) -> str:
        return _VOCABULARY + self.value


def xmp_packet(source: SourceType) -> bytes:
    """The XMP packet (UTF-8, about 400 bytes) that says it."""
    return _PACKET.format(uri=source.uri).encode()


def save_options(image_format: str, source: SourceType) -> dict[str, Any]:
    """The keyword arguments that make Pillow's `save` write the mark into a file of this format."""
    if image_format == "PNG":
        chunks = PngImagePlugin.PngInfo()
        chunks.add_itxt(_PNG_KEYWORD, xmp_packet(source).decode())
        return {"pnginfo": chunks}
    return {"xmp": xmp_packet(source)}
