"""Without `--faults` a seed chooses three minutes' worth of fault tests, and says so. Real pytest runs of a small suite."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).resolve().parents[1] / "conftest.py"

SUITE = """
import pytest

@pytest.mark.fault(seconds=50)
@pytest.mark.parametrize("n", range(12))
def test_a_fault(n): pass

def test_another(): pass
"""


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    shutil.copy(CONFTEST, tmp_path)
    (tmp_path / "test_faults.py").write_text(SUITE)
    return tmp_path


def run(suite: Path, *words: str, seed: int | None = None) -> tuple[set[str], str]:
    """The tests that were run, and the whole output."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("SNAPASSET")}
    env |= {} if seed is None else {"SNAPASSET_FAULTS_SEED": str(seed)}
    command = [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", "-c", os.devnull, f"--rootdir={suite}"]
    done = subprocess.run([*command, *words, str(suite)], env=env, capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stdout
    return set(re.findall(r"::(test_a\w+(?:\[\d+\])?)", done.stdout)), done.stdout


@pytest.mark.parametrize("processes", ["0", "2"])
def test_a_seed_chooses_and_is_told(suite: Path, processes: str) -> None:
    chosen, said = run(suite, f"-n{processes}", seed=7)
    assert len(chosen) == 4, said
    assert "test_another" in chosen
    assert "fault tests: 3 of 12, chosen by SNAPASSET_FAULTS_SEED=7; 9 deselected, --faults runs all" in said
    assert "skipped" not in said.splitlines()[-1]
    assert run(suite, seed=7)[0] == chosen, "the same seed chooses the same"
    assert run(suite, seed=8)[0] != chosen


def test_without_a_seed_one_is_made_and_can_be_given_again(suite: Path) -> None:
    chosen, said = run(suite)
    found = re.search(r"SNAPASSET_FAULTS_SEED=(\d+)", said)
    assert found is not None
    assert run(suite, seed=int(found[1]))[0] == chosen


def test_all_can_be_asked_for(suite: Path) -> None:
    chosen, said = run(suite, "--faults")
    assert len(chosen) == 13
    assert "deselected" not in said
