"""Pictures are turned upright."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from tests.worker.images.pictures import encoded, pixels, ramp
from worker.images.decode import decode
from worker.images.provenance import SourceType

TRAINED = SourceType.TRAINED
TURN = Image.Transpose
UNDO = {
    2: TURN.FLIP_LEFT_RIGHT,
    3: TURN.ROTATE_180,
    4: TURN.FLIP_TOP_BOTTOM,
    5: TURN.TRANSPOSE,
    6: TURN.ROTATE_90,
    7: TURN.TRANSVERSE,
    8: TURN.ROTATE_270,
}
"""How an upright picture came to lie as each value of the EXIF tag says."""


def test_exif_orientation_is_applied_once_and_forgotten():
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "camera"
    master = decode(encoded(ramp(60, 30), "JPEG", exif=exif, quality=95), TRAINED)
    assert (master.size.width, master.size.height) == (30, 60)
    assert master.image.info == {}
    corner = pixels(master.image)[0, -1]
    assert corner[0] < 30
    assert corner[1] < 30


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP"])
def test_each_of_the_eight_orientations_comes_out_upright(image_format: str, turn: int):
    upright = ramp(60, 30)
    undone = UNDO.get(turn)
    lying = upright if undone is None else upright.transpose(undone)
    exif = Image.Exif()
    exif[0x0112] = turn
    seen = decode(encoded(lying, image_format, exif=exif, quality=95), TRAINED).image
    assert seen.size == (60, 30)
    assert np.abs(pixels(seen) - pixels(upright)).mean() < 4
