"""The mark that says how a picture was made."""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
from PIL import Image

from tests.worker.images.marks import read_source
from tests.worker.images.pictures import PLAIN, decoded, encoded, master, ramp
from worker.images.decode import decode
from worker.images.fit import Fit
from worker.images.provenance import SourceType, save_options, xmp_packet
from worker.images.render import encode, render, thumbnail

if TYPE_CHECKING:
    from worker.images.platforms import Format

RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
IPTC = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}"


@pytest.mark.parametrize("source", list(SourceType))
@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_the_mark_comes_back_from_every_format(image_format: str, source: SourceType):
    image = ramp(40, 40)
    options = save_options(image_format, source)
    assert read_source(encoded(image, image_format, **options)) is source


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_what_render_encodes_carries_the_mark(image_format: str):
    data = encode(ramp(40, 40), image_format, SourceType.TRAINED)
    assert read_source(data) is SourceType.TRAINED
    assert decoded(data).format == image_format


def test_the_packet_is_the_property_that_iptc_defines():
    packet = xmp_packet(SourceType.TRAINED)
    meta = ET.fromstring(packet.decode())
    description = meta.find(f"{RDF}RDF/{RDF}Description")
    assert description is not None
    uri = description.get(f"{IPTC}DigitalSourceType")
    assert uri == "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
    assert description.get(f"{RDF}about") == ""
    assert packet.startswith(b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>')
    assert packet.endswith(b'<?xpacket end="r"?>')
    assert len(packet) < 500


def test_a_png_holds_it_uncompressed_in_the_chunk_that_readers_look_for():
    data = encode(ramp(8, 8), "PNG", SourceType.ALGORITHMIC)
    at = data.index(b"iTXtXML:com.adobe.xmp\0")
    length = struct.unpack_from(">I", data, at - 4)[0]
    content = data[at + 4 : at + 4 + length]
    assert content == b"XML:com.adobe.xmp\0\0\0\0\0" + xmp_packet(SourceType.ALGORITHMIC)


def test_a_jpeg_holds_it_in_its_app1_segment():
    data = encode(ramp(8, 8), "JPEG", SourceType.ALGORITHMIC)
    assert b"http://ns.adobe.com/xap/1.0/\0" + xmp_packet(SourceType.ALGORITHMIC) in data


def test_a_picture_without_a_mark_has_none():
    assert read_source(encoded(ramp(8, 8), "JPEG")) is None


def test_a_mark_that_is_not_ours_is_none_of_ours():
    foreign = xmp_packet(SourceType.TRAINED).replace(b"trainedAlgorithmicMedia", b"digitalCapture")
    assert read_source(encoded(Image.new("RGB", (8, 8)), "JPEG", xmp=foreign)) is None


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_nothing_of_the_masters_metadata_reaches_a_rendition(form: Format):
    exif = Image.Exif()
    exif[0x010F] = "camera of somebody"
    data = encoded(ramp(200, 100), "JPEG", exif=exif, comment=b"written by somebody")
    made = render(decode(data, SourceType.TRAINED), replace(PLAIN, format=form))
    assert b"somebody" not in made.data
    assert b"somebody" in data


@pytest.mark.parametrize("source", list(SourceType))
@pytest.mark.parametrize("fit", list(Fit))
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_every_rendition_of_every_format_carries_it(form: Format, fit: Fit, source: SourceType):
    made = render(master(ramp(60, 60), source), replace(PLAIN, format=form), fit=fit)
    assert read_source(made.data) is source


@pytest.mark.parametrize("source", list(SourceType))
def test_the_thumbnail_carries_it(source: SourceType):
    assert read_source(thumbnail(master(ramp(60, 60), source)).data) is source
