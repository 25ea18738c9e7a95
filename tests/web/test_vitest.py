"""The tests of web/ itself are tests of this project: Vitest runs them all, and what it says is shown when one fails."""

from __future__ import annotations

from typing import Final

import pytest

from tests.web.studio import BUILD_SECONDS, node
from web.node import WEB, Failed

_SECONDS: Final = 300


@pytest.mark.timeout(BUILD_SECONDS + _SECONDS)
def test_the_tests_of_the_browsers_side_pass() -> None:
    try:
        node().run("vitest/vitest.mjs", "run", "--no-color", web=WEB, seconds=_SECONDS)
    except Failed as failure:
        pytest.fail(str(failure), pytrace=False)
