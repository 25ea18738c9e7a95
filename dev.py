#!/usr/bin/env python3
"""Set up SnapAsset and start it, with nothing but Python and pip.

The folder `.venv` belongs to this file. It carries a stamp only while it holds what `requirements/*.txt` say, made for
this Python at this place; stamps are taken away before anything in it changes and written last. So whatever interrupts
an installation, the next call sees it and starts anew, and a warm start reads a few small files and does nothing else.

This file parses on Python 3.8, so that a person with an old Python reads a sentence and not a SyntaxError.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

TYPE_CHECKING = False  # typing is slow to import, and this file is in the way of every start
if TYPE_CHECKING:
    from collections.abc import Callable, Generator

ROOT = Path(__file__).resolve().parent
LOWEST, ALONE = (3, 11), {"bench": ["--no-deps"], "servers": ["--no-deps"]}
USAGE = """usage: python3 dev.py COMMAND [...]
  run [...]      build the studio if there is a Node, and start SnapAsset; what follows goes to `python -m server`
  test [...]     run the tests, with --faults or --browser all of those; what follows goes to pytest: dev.py test -k stream
  check [--fix]  format, lint, types, imports, requirements, dead code, house rules; --fix mends what a tool can mend
  bench [name]   measure; what follows goes to `python -m bench`
  pictures       make the pictures of README and docs anew: pictures sheets, pictures studio, or both
  types          make web/src/sdk/schema.ts anew, the types of what the API tells of at /openapi.json
  lock [...]     make requirements/*.txt anew from *.in; --upgrade takes newer versions
The first call makes .venv and installs into it what the command needs; later calls start at once."""
LACKING = """this Python has no {}. Install it and call again:
  Debian, Ubuntu: apt install python3-pip python3-venv     Fedora: dnf install python3-pip     Alpine: apk add py3-pip"""
NOT_INSTALLED = """the packages could not be installed; the installer's own words stand above.
  This needs a way to the Python package index, or a mirror that pip knows of (pip config set global.index-url ...).
  Nothing is left half-done: when that is there, call again."""


class SetupFailed(Exception):
    """Why there is no usable `.venv`, as a sentence for the caller, who alone can mend it."""


def say(text: str) -> None:
    print(f"dev.py: {text}", file=sys.stderr, flush=True)


def too_old(version: tuple[int, ...], which: Callable[[str], str | None] = shutil.which) -> str | None:
    """Say why this Python cannot run SnapAsset, naming a newer one that is on the PATH; None when it can."""
    if version >= LOWEST:
        return None
    newer = next((name for minor in range(20, LOWEST[1] - 1, -1) if which(name := f"python3.{minor}")), None)
    hint = f" Call `{newer} dev.py` instead." if newer else ""
    return f"SnapAsset needs Python {LOWEST[0]}.{LOWEST[1]} or newer; this is {version[0]}.{version[1]}.{hint}"


def installer_environment(pip_settings: str, environ: dict[str, str]) -> dict[str, str]:
    """Return the environment for pip and uv: nothing leads them out of `.venv`, and both ask the same index.

    `pip_settings` is what `pip config list` prints. uv does not read pip's configuration, so a mirror named there is
    handed over. Its URL may hold a password: it is never printed and never written down.
    """
    astray = ("PIP_TARGET", "PIP_PREFIX", "PYTHONHOME", "UV_SYSTEM_PYTHON")
    env = {name: value for name, value in environ.items() if name not in astray}
    env.update(PIP_USER="0", PIP_REQUIRE_VIRTUALENV="0", PIP_DISABLE_PIP_VERSION_CHECK="1", UV_PYTHON_DOWNLOADS="never")
    env.setdefault("UV_SYSTEM_CERTS", "1")  # trust what this machine trusts, as pip does, proxies included
    mirrors = dict(re.findall(r"^(global|install|:env:)\.index-url='(.*)'$", pip_settings, re.MULTILINE))
    mirror = mirrors.get(":env:") or mirrors.get("install") or mirrors.get("global")
    if mirror and not env.keys() & {"UV_DEFAULT_INDEX", "UV_INDEX_URL"}:
        env["UV_DEFAULT_INDEX"] = mirror
    return env


class Commands:
    """The programs that a set-up calls, in one place, so that a test can stand in for them."""

    def run(self, command: list[str], env: dict[str, str], lock: int) -> int:
        """Run to the end. The child holds the lock too: it keeps others out even when this process is killed."""
        return subprocess.call(command, env=env, stdout=2, pass_fds=() if sys.platform == "win32" else (lock,))

    def ask(self, command: list[str]) -> str | None:
        """Return what the command prints, or None when it fails."""
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False, text=True)
        return done.stdout if done.returncode == 0 else None


@contextlib.contextmanager
def only_one(path: Path) -> Generator[int]:
    """Wait until no other dev.py sets up this checkout. The system frees the lock when its holders end, however."""
    with path.open("a") as handle:
        if sys.platform == "win32":
            import msvcrt

            while True:
                with contextlib.suppress(OSError):  # it gives up after ten seconds
                    msvcrt.locking(handle.fileno(), msvcrt.LK_LOCK, 1)
                    break
        else:
            import fcntl

            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                say("another dev.py is setting up here; waiting for it.")
                fcntl.flock(handle, fcntl.LOCK_EX)
        yield handle.fileno()


class Venv:
    """The checkout's virtual environment: the packages to run and, when asked for, those to develop beside them."""

    def __init__(self, root: Path, commands: Commands | None = None) -> None:
        self.root = root
        self.path = root / ".venv"
        self.bin = self.path / ("Scripts" if sys.platform == "win32" else "bin")
        self.python = self.bin / ("python.exe" if sys.platform == "win32" else "python")
        self._base = str(getattr(sys, "_base_executable", None) or sys.executable)  # when called by .venv's own Python
        self._commands = commands or Commands()

    def prepare(self, *, dev: bool) -> None:
        """Make `.venv` hold what the requirement files say, or raise SetupFailed. Several processes may call at once."""
        if self.is_fresh(dev=dev):
            return
        with only_one(self.root / ".venv.lock") as lock:
            if self.is_fresh(dev=dev):
                return
            if not self._is_trusted():
                self._make(lock)
            self._install(lock, dev=dev or self._stamp("dev").exists())

    def is_fresh(self, *, dev: bool) -> bool:
        """Tell whether the stamps say that all that is needed is here, for this Python, in the versions asked for."""
        groups = ("runtime", "dev") if dev else ("runtime",)
        return self.python.exists() and all(self._read(group) == self._expected(group) for group in groups)

    def _stamp(self, group: str) -> Path:
        return self.path / f"installed-{group}"

    def _read(self, group: str) -> str:
        try:
            return self._stamp(group).read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            return ""

    def _write(self, group: str, text: str) -> None:
        """Put a stamp in place at one stroke; an empty one is none."""
        if text:
            new = self._stamp(f"{group}.new")
            new.write_text(text, "utf-8")
            new.replace(self._stamp(group))

    def _identity(self) -> str:
        return f"{' '.join(sys.version.split())} of {sys.base_prefix} at {self.path}\n"

    def _expected(self, group: str) -> str:
        files = b"\0".join(path.read_bytes() for path in self._files(dev=group == "dev"))
        return f"{self._identity()}{hashlib.sha256(files).hexdigest()}\n"

    def _files(self, *, dev: bool) -> list[Path]:
        names = ("uv", "runtime", "dev") if dev else ("uv", "runtime")
        return [self.root / "requirements" / f"{name}.txt" for name in names]

    def _is_trusted(self) -> bool:
        """Tell whether `.venv` was finished once, here and for this Python. If not, nothing in it can be relied on."""
        return self.python.exists() and self._read("runtime").startswith(self._identity())

    def _make(self, lock: int) -> None:
        if importlib.util.find_spec("venv") is None:
            raise SetupFailed(LACKING.format("venv module"))
        if self.path.exists():
            say("making .venv anew: it is unfinished, or was made elsewhere or for another Python.")
            shutil.rmtree(self.path)
        command = [self._base, "-m", "venv", "--without-pip", str(self.path)]
        if self._commands.run(command, dict(os.environ), lock) != 0:
            raise SetupFailed(f"`{' '.join(command)}` failed; its own words stand above.")

    def _install(self, lock: int, *, dev: bool) -> None:
        """Install by uv, which takes a second where pip takes ten and removes what no file names; else by pip alone."""
        pip, settings = self._find_pip(lock)
        env = installer_environment(settings, dict(os.environ))
        files = [str(path) for path in self._files(dev=dev)]
        quiet = [] if sys.stderr.isatty() else ["--quiet"]
        fetch = [*pip, "install", "--retries=2", "--require-hashes", *quiet]
        fetch_uv = [*fetch, "--only-binary=:all:", "-r", files[0]]  # building uv would want a Rust compiler
        sync = [str(self.bin / "uv"), "pip", "sync", f"--python={self.python}", "--require-hashes", *quiet, *files]
        kept, before = {group: self._read(group) for group in ("runtime", "dev")}, self._touched()
        for group in kept:
            self._stamp(group).unlink(missing_ok=True)
        say("installing what requirements/ lists; this is done once.")
        done = all(self._commands.run(command, env, lock) == 0 for command in (fetch_uv, sync))
        if not done:
            say("uv could not do it; trying pip alone, which takes longer.")
            done = self._commands.run([*fetch, *(f"--requirement={name}" for name in files[1:])], env, lock) == 0
        if done:
            kept = {group: self._expected(group) for group in (("runtime", "dev") if dev else ("runtime",))}
        if done or self._touched() == before:  # a failed download leaves a finished .venv as good as it was
            for group, text in kept.items():
                self._write(group, text)
        if not done:
            raise SetupFailed(NOT_INSTALLED)

    def _find_pip(self, lock: int) -> tuple[list[str], str]:
        """Return the words that call a pip which installs into `.venv`, and its settings."""
        ours = str(self.python)
        for host in dict.fromkeys((self._base, sys.executable, ours)):
            if host == ours and importlib.util.find_spec("ensurepip"):
                self._commands.run([ours, "-m", "ensurepip"], dict(os.environ), lock)
            settings = self._commands.ask([host, "-m", "pip", "config", "list"])
            if settings is not None:
                return [host, "-m", "pip", f"--python={ours}"], settings
        raise SetupFailed(LACKING.format("pip and no ensurepip"))

    def _touched(self) -> list[int]:
        """Return what changes when a package comes or goes: the change times of the folders that hold packages."""
        folders = [*self.path.glob("lib/python*/site-packages"), *self.path.glob("Lib/site-packages")]
        return [folder.stat().st_mtime_ns for folder in sorted(folders)]


def tool_environment(environ: dict[str, str]) -> dict[str, str]:
    """Return the environment for what runs in `.venv`: everything given, but for what hides the packages there or us."""
    hiding = ("PYTHONHOME", "PYTHONSAFEPATH", "__PYVENV_LAUNCHER__")
    return {name: value for name, value in environ.items() if name not in hiding}


def become(command: list[str]) -> int:
    """Let the command take this process's place, so that signals and the exit status are its own."""
    env = tool_environment(dict(os.environ))
    if sys.platform != "win32":
        os.execve(command[0], command, env)
    with subprocess.Popen(command, env=env) as child:
        while True:
            with contextlib.suppress(KeyboardInterrupt):  # the console sends Ctrl-C to the child as well
                return child.wait()


def lock(venv: Venv, arguments: list[str]) -> int:
    """Resolve requirements/*.in into *.txt, for every platform, with hashes and without the name of any index."""
    words = ["--universal", "--generate-hashes", "--no-header", "--quiet", f"--python-version={LOWEST[0]}.{LOWEST[1]}"]
    env = installer_environment("", dict(os.environ))
    for name in ("uv", "runtime", "dev", "bench", "servers"):  # dev.in is resolved against the new runtime.txt
        files = [f"--output-file=requirements/{name}.txt", f"requirements/{name}.in", *ALONE.get(name, ())]
        if subprocess.call([venv.bin / "uv", "pip", "compile", *words, *files, *arguments], env=env) != 0:
            return 1
    return 0


def main(arguments: list[str]) -> int:
    """Carry out one command and return its exit status, 2 when it could not be started."""
    if old := too_old(sys.version_info[:2]):
        say(old)
        return 2
    command, rest = (arguments[0], arguments[1:]) if arguments else ("", [])
    if command in ("-h", "--help", "help"):
        print(USAGE)
        return 0
    tests = ["pytest", "-n", "auto", "--maxprocesses", "8", "--dist", "loadfile"]  # tests of one file share servers
    tools = {"run": ["server"], "test": tests, "bench": ["bench"], "pictures": ["docs.make_pictures"]}
    tools.update(types=["web.schema"], check=["tests.architecture.check"])
    if command not in (*tools, "lock"):
        say(f"there is no command {command!r}.\n{USAGE}" if command else f"a command is missing.\n{USAGE}")
        return 2
    venv = Venv(ROOT)
    try:
        venv.prepare(dev=command in ("test", "check", "bench", "pictures", "types"))
        os.chdir(ROOT)
        if command == "lock":
            return lock(venv, rest)
        if command == "run":  # without a studio it goes on too, and has said why
            subprocess.call([str(venv.python), "-m", "web.build"], env=tool_environment(dict(os.environ)))
        return become([str(venv.python), "-m", *tools[command], *rest])
    except (SetupFailed, OSError) as failure:
        say(str(failure))
        return 2
    except KeyboardInterrupt:
        say("interrupted; the next call goes on from a clean state.")
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
