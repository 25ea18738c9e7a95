"""dev.py as a person calls it: a real process and a real .venv, in a checkout whose requirement files are empty.

The line in uv.txt names a file that is not there, so pip refuses it without asking anybody and the fallback is used too.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]

SERVER = """
import json, os, signal, sys

def stop(number, frame):
    os.write(1, b"stopped")
    os._exit(7)

signal.signal(signal.SIGTERM, stop)
print(json.dumps([sys.argv[1:], os.getcwd(), sys.prefix, os.getpid(), os.environ.get("ASKED")]), flush=True)
if "wait" in sys.argv:
    sys.stdin.read()
"""
UNREACHABLE = "absent==1 --hash=sha256:" + "0" * 64 + "\n"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    root = tmp_path / "a checkout"
    for folder in ("server", "requirements", "web"):
        (root / folder).mkdir(parents=True)
    shutil.copy(ROOT / "dev.py", root)
    (root / "server" / "__main__.py").write_text(SERVER)
    (root / "web" / "build.py").touch()
    (root / "requirements" / "uv.txt").write_text("./absent.whl\n")
    (root / "requirements" / "runtime.txt").touch()
    (root / "requirements" / "dev.txt").touch()
    return root


def settings(checkout: Path) -> dict[str, str]:
    """Return an environment in which nothing is known but the PATH, and no index can be asked."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(checkout.parent),
        "PIP_NO_INDEX": "1",
        "PIP_CONFIG_FILE": os.devnull,
    }


def start(checkout: Path, *arguments: str, **more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(checkout / "dev.py"), *arguments],
        env=settings(checkout) | more,
        cwd=checkout.parent,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=25)
    return process.returncode, out, err


def seen_by_server(out: str) -> list[Any]:
    return json.loads(out.splitlines()[0])


def test_run_from_another_folder_passes_everything_on(checkout: Path) -> None:
    status, out, err = finish(start(checkout, "run", "--port", "8000", ASKED="yes"))
    assert status == 0, err
    arguments, folder, prefix, _, asked = seen_by_server(out)
    assert arguments == ["--port", "8000"]
    assert folder == str(checkout)
    assert prefix == str(checkout / ".venv")
    assert asked == "yes"

    status, out, err = finish(start(checkout, "run"))
    assert (status, err) == (0, ""), "a warm start has nothing to say"


def test_signals_reach_the_server(checkout: Path) -> None:
    process = start(checkout, "run", "wait")
    assert process.stdout is not None
    *_, pid, _ = seen_by_server(process.stdout.readline())
    assert pid == process.pid
    process.send_signal(signal.SIGTERM)
    status, out, err = finish(process)
    assert (status, out) == (7, "stopped"), err


def test_the_studio_is_built_before_the_server_starts(checkout: Path) -> None:
    build = checkout / "web" / "build.py"
    build.write_text("import os, pathlib, sys; pathlib.Path('built').write_text(sys.prefix + '|' + os.getcwd())")
    assert finish(start(checkout, "lock", "--help"))[0] != 0
    assert not (checkout / "built").exists(), "only run needs it"
    status, out, err = finish(start(checkout, "run"))
    assert status == 0, err
    assert (checkout / "built").read_text() == f"{checkout / '.venv'}|{checkout}"
    assert seen_by_server(out)


def test_without_a_studio_it_starts_all_the_same(checkout: Path) -> None:
    (checkout / "web" / "build.py").write_text("import sys; sys.exit('the studio could not be built')")
    status, out, err = finish(start(checkout, "run", "--port", "1"))
    assert status == 0
    assert seen_by_server(out)[0] == ["--port", "1"]
    assert "the studio could not be built" in err


def test_two_at_once_make_one_venv(checkout: Path) -> None:
    ends = [finish(process) for process in [start(checkout, "run"), start(checkout, "run")]]
    assert [status for status, _, _ in ends] == [0, 0], ends
    assert sum("installing" in err for _, _, err in ends) == 1, ends


def test_a_moved_checkout_still_starts(checkout: Path) -> None:
    finish(start(checkout, "run"))
    moved = checkout.rename(checkout.parent / "moved")
    status, out, err = finish(start(moved, "run"))
    assert status == 0, err
    assert seen_by_server(out)[2] == str(moved / ".venv")


def test_without_an_index_it_says_what_is_missing(checkout: Path) -> None:
    (checkout / "requirements" / "runtime.txt").write_text(UNREACHABLE)
    status, out, err = finish(start(checkout, "run"))
    assert (status, out) == (2, "")
    assert "the packages could not be installed" in err
    assert "Traceback" not in err

    (checkout / "requirements" / "runtime.txt").write_text("")
    (checkout / "requirements" / "dev.txt").write_text(UNREACHABLE)
    assert finish(start(checkout, "run"))[0] == 0, "the next call goes on by itself, and run needs no tools"
    assert finish(start(checkout, "test"))[0] == 2
    status, _, err = finish(start(checkout, "run"))
    assert (status, err) == (0, ""), "what could not be added spoils nothing"


@pytest.mark.parametrize("arguments", [[], ["frobnicate"], ["--port"]])
def test_an_unknown_command_is_answered_with_the_usage(checkout: Path, arguments: list[str]) -> None:
    status, out, err = finish(start(checkout, *arguments))
    assert (status, out) == (2, "")
    assert "usage: python3 dev.py COMMAND" in err
    assert not (checkout / ".venv").exists()


@pytest.mark.parametrize("word", ["--help", "-h", "help"])
def test_help_is_an_answer(checkout: Path, word: str) -> None:
    status, out, err = finish(start(checkout, word))
    assert (status, err) == (0, "")
    assert out.startswith("usage: python3 dev.py COMMAND")


def test_an_old_python_reads_a_sentence(checkout: Path) -> None:
    pretend = "import runpy, sys; sys.version_info = (3, 8, 18); sys.argv = ['dev.py', 'run']; "
    command = [sys.executable, "-c", f"{pretend}runpy.run_path({str(checkout / 'dev.py')!r}, run_name='__main__')"]
    done = subprocess.run(command, env=settings(checkout), capture_output=True, check=False, text=True)
    assert done.returncode == 2
    assert "needs Python 3.11 or newer; this is 3.8" in done.stderr
    assert not (checkout / ".venv").exists()


def test_who_comes_second_waits(checkout: Path) -> None:
    hold = (
        f"import dev, pathlib\nwith dev.only_one(pathlib.Path({str(checkout / '.venv.lock')!r})):\n print(1); input()"
    )
    command = [sys.executable, "-u", "-c", hold]
    first = subprocess.Popen(command, cwd=checkout, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert first.stdout is not None
    assert first.stdout.readline() == "1\n"

    second = start(checkout, "run")
    assert second.stderr is not None
    assert "another dev.py is setting up here" in second.stderr.readline()
    assert not (checkout / ".venv").exists()
    first.communicate("\n", timeout=25)
    status, out, _ = finish(second)
    assert status == 0
    assert seen_by_server(out)[2] == str(checkout / ".venv")
