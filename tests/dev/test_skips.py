"""A skipped test is shown with its reason; in strict mode it is a failure. Real pytest runs of a small suite."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).resolve().parents[1] / "conftest.py"

SUITE = {
    "test_a.py": "def test_a(): pass",
    "test_b.py": "import pytest\ndef test_b(): pytest.skip('no server in the test')",
    "test_c.py": "import pytest\n@pytest.fixture\ndef it(): pytest.skip('no server in the fixture')\ndef test_c(it): pass",
    "test_d.py": "import pytest\n@pytest.mark.skipif(True, reason='no server by the mark')\ndef test_d(): pass",
    "test_e.py": "import pytest\npytest.skip('no server for the file', allow_module_level=True)",
    "test_f.py": "import pytest\n@pytest.mark.xfail\ndef test_f(): assert False",
}
REASONS = ["no server in the test", "no server in the fixture", "no server by the mark", "no server for the file"]


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    shutil.copy(CONFTEST, tmp_path)
    for name, code in SUITE.items():
        (tmp_path / name).write_text(code)
    return tmp_path


def run(suite: Path, *, strict: bool) -> tuple[int, str]:
    words = ["-p", "no:cacheprovider", "--continue-on-collection-errors", "-c", os.devnull, f"--rootdir={suite}"]
    env = os.environ | {"SNAPASSET_TEST_STRICT": "1" if strict else "0"}
    command = [sys.executable, "-m", "pytest", *words, str(suite)]
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, text=True)
    return done.returncode, done.stdout


def test_each_skip_is_shown_with_its_reason(suite: Path) -> None:
    status, said = run(suite, strict=False)
    assert status == 0, said
    shown: list[str] = re.findall(r"^(test_.\.py\S*: .*)$", said.split(" not run ")[1], re.MULTILINE)
    assert [line.split(": ")[1] for line in sorted(shown)] == REASONS, said
    assert "1 passed, 4 skipped, 1 xfailed" in said.splitlines()[-1]


def test_in_strict_mode_each_skip_is_a_failure(suite: Path) -> None:
    status, said = run(suite, strict=True)
    assert status == 1, said
    for reason in REASONS:
        assert f"in strict mode nothing may be: {reason}" in said
    assert "1 failed, 1 passed, 1 xfailed, 3 errors" in said.splitlines()[-1]
