"""What the studio shows of a cut before it is made is what the worker makes."""

from __future__ import annotations

import re

from web.node import WEB
from worker.images.fit import KEPT_AT_LEAST


def test_the_page_gives_up_a_cut_where_the_worker_does() -> None:
    source = (WEB / "src" / "app" / "adjuster" / "crop.ts").read_text("utf-8")
    told = re.findall(r"^export const KEPT_AT_LEAST = (\S+);$", source, re.MULTILINE)
    assert [float(share) for share in told] == [KEPT_AT_LEAST]
