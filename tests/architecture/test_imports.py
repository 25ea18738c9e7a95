"""The import contracts of pyproject.toml hold, and each of them can fail."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.architecture.tree import ROOT

if TYPE_CHECKING:
    from pathlib import Path

CONTRACTS = 11
LINT = [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"]

ALLOWED = {
    "server/app.py": "import worker.runner, snapasset.client, starlette",
    "server/user_tokens.py": "import jwt, server.signing_keys",
    "server/signing_keys.py": "import httpx, jwt",
    "server/routes.py": "import snapasset.client, sse_starlette",
    "worker/runner.py": "import saq.worker, worker.processors",
    "worker/processors/__init__.py": "from worker.processors import one, two",
    "worker/images/crop.py": "import numpy, PIL.Image",
    "worker/providers/sketch/__init__.py": "import numpy, PIL.Image",
    "worker/providers/openai.py": "def make():\n    import openai",
    "snapasset/client.py": "import snapasset.switch",
    "snapasset/switch.py": "import redis.asyncio, saq.queue",
    "snapasset/queue/redis.py": "import redis.asyncio, saq.queue.redis",
    "snapasset/feed/redis.py": "import redis.asyncio",
    "snapasset/database/postgres_connection.py": "import asyncpg",
    "snapasset/storage/supabase/opening.py": "import httpx, storage3, supabase",
}
FORBIDDEN = {
    "Imports point one way": {"snapasset/job.py": "import worker.runner"},
    "Only server/app.py": {"server/jobs.py": "def run():\n    import worker.runner"},
    "Processors never": {"worker/processors/one.py": "import worker.processors.two"},
    "saq only": {"server/hub.py": "import saq"},
    "redis only": {"worker/context.py": "from redis.asyncio import Redis"},
    "asyncpg only": {"snapasset/records/jobs.py": "import asyncpg"},
    "PIL and numpy only": {"worker/processors/two.py": "import PIL.Image"},
    "openai only": {"worker/providers/sketch/words.py": "import openai"},
    "supabase only": {"snapasset/storage/choose.py": "def choose():\n    from storage3 import exceptions"},
    "jwt only": {"server/auth.py": "import jwt.api_jwt"},
    "snapasset knows no HTTP": {"snapasset/event.py": "import starlette"},
}
PLACES = [
    "server/__init__.py", "snapasset/__init__.py", "snapasset/queue/__init__.py", "snapasset/feed/__init__.py",
    "snapasset/database/__init__.py", "snapasset/records/__init__.py",
    "snapasset/storage/__init__.py", "snapasset/storage/supabase/__init__.py",
    "worker/__init__.py", "worker/images/__init__.py", "worker/providers/__init__.py",
    "worker/processors/one.py", "worker/processors/two.py",
]  # fmt: skip


def lint(folder: Path) -> str:
    """Run import-linter in a folder and return what it says; the last lines count the contracts."""
    command = [*LINT, "--no-cache", "--no-logo"]
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, text=True)
    return done.stdout


def project(folder: Path, files: dict[str, str]) -> Path:
    shutil.copy(ROOT / "pyproject.toml", folder)
    for name, text in {**dict.fromkeys(PLACES, ""), **files}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def test_the_project_keeps_its_contracts() -> None:
    said = lint(ROOT)
    assert f"Contracts: {CONTRACTS} kept, 0 broken." in said, said


def test_what_the_design_allows_is_allowed(tmp_path: Path) -> None:
    said = lint(project(tmp_path, ALLOWED))
    assert f"Contracts: {CONTRACTS} kept, 0 broken." in said, said


def test_each_contract_can_be_broken(tmp_path: Path) -> None:
    wrong = {name: text for files in FORBIDDEN.values() for name, text in files.items()}
    said = lint(project(tmp_path, ALLOWED | wrong))
    broken: list[str] = re.findall(r"^(.*) BROKEN", said, re.MULTILINE)
    assert len(broken) == CONTRACTS == len(FORBIDDEN), said
    assert all(name.startswith(start) for name, start in zip(broken, FORBIDDEN, strict=True)), said
