"""The record moves to another database: everything that was in it is there, and what was running goes on."""

from __future__ import annotations

import gzip
import json
import os
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from server.__main__ import main
from server.transfer import transfer
from snapasset.database.sqlite import SqliteDatabase
from snapasset.errors import BadConfiguration
from snapasset.job import new_id
from snapasset.records.claims import Claim
from snapasset.records.endings import Complete
from snapasset.records.files import FileRow
from snapasset.records.idempotency import Once, SubmitOnce
from snapasset.records.queues import LimitQueue, PauseQueue
from snapasset.records.schedules import PutSchedule
from snapasset.records.steps import FinishStep, StartStep
from snapasset.records.submission import Submit
from snapasset.records.transfer import DERIVED, PASSING, TABLES
from snapasset.settings import Settings
from tests.contracts.record_jobs import job_of

if TYPE_CHECKING:
    from snapasset.job import Job

ROOT = Path(__file__).parents[2]


def command(folder: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
    """`python -m server …` with its record in `folder`."""
    env = {**os.environ, "DATA_DIR": str(folder), "LOG_LEVEL": "error"}
    return subprocess.run(
        [sys.executable, "-m", "server", *map(str, words)],
        cwd=ROOT, env=env, capture_output=True, text=True, timeout=25, check=False,
    )  # fmt: skip


async def moved(folder: Path, word: str, file: Path) -> None:
    """The same within this process."""
    await transfer(word, file, Settings(data_dir=folder))


def rows_of(folder: Path) -> dict[str, list[tuple[object, ...]]]:
    """Everything that the record holds for good, by table."""
    with sqlite3.connect(folder / "snapasset.db") as connection:
        tables = [
            name
            for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
            if name not in ("migrations", "record", *PASSING)
        ]
        return {table: sorted(connection.execute(f"SELECT * FROM {table}").fetchall(), key=repr) for table in tables}


def record_id_of(folder: Path) -> str:
    with sqlite3.connect(folder / "snapasset.db") as connection:
        return connection.execute("SELECT record_id FROM record").fetchone()[0]


async def filled(folder: Path, jobs: int = 3) -> None:
    """A record with something in each of its tables, one job of it running."""
    database = SqliteDatabase(folder / "snapasset.db")
    await database.open()
    try:
        made: list[Job] = []
        for number in range(jobs):
            parents = (made[-1].id,) if made else ()
            data = '{"prompt":"🦊\\u0000"}'
            submit = Submit(new_id(), "draw", "pictures", "anna", data, 0, 3, new_id(), depends_on=parents)
            once = Once(f"key-{number}", "fingerprint")
            made.append(job_of((await database.write(SubmitOnce("anna", submit, once)))[0]))
        for last in (False, True):
            job = await database.write(Claim("pictures", ("draw",), "worker"))
            assert job is not None
            await database.write(StartStep(job.id, job.fence, "generate", paid=True, progress=10))
            key, waiting = f"generations/{new_id()}/a.png", bytes(range(256)) if last else None
            file = FileRow(new_id(), "master", "master", key, "image/png", 3, 1, 1, "{}", waiting)
            await database.write(FinishStep(job.id, job.fence, "generate", '{"n":1}', 40, (file,), '{"model":"m"}'))
            if not last:
                await database.write(Complete(job.id, job.fence, '{"images":[]}'))
        await database.write(PutSchedule("daily", "system", "draw", "pictures", "{}", 0, 3, "0 2 * * *", "UTC"))
        await database.write(LimitQueue("pictures", 3, 10, 60_000))
        await database.write(PauseQueue("chores"))
    finally:
        await database.close()


@pytest.mark.parametrize("name", ["record.jsonl", "record.jsonl.gz"])
async def test_an_export_fills_a_new_record_with_all_there_was(tmp_path: Path, name: str) -> None:
    old, new, file = tmp_path / "old", tmp_path / "new", tmp_path / name
    await filled(old)
    done = command(old, "export", file)
    assert (done.returncode, done.stdout) == (0, "")
    assert "exported 3 jobs" in done.stderr
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    done = command(new, "import", file)
    assert done.returncode == 0, done.stderr
    assert rows_of(new) == rows_of(old)
    assert record_id_of(new) == record_id_of(old)


async def test_every_table_and_column_of_the_schema_is_moved(tmp_path: Path) -> None:
    await filled(tmp_path)
    with sqlite3.connect(tmp_path / "snapasset.db") as connection:
        schema = {
            table: {column[1] for column in connection.execute(f"PRAGMA table_info({table})")}
            for table in rows_of(tmp_path)
        }
        keys = {
            table.name: {column[1] for column in connection.execute(f"PRAGMA table_info({table.name})") if column[5]}
            for table in TABLES
        }
    assert {table.name: {*table.columns, *DERIVED.get(table.name, ())} for table in TABLES} == schema
    assert {table.name: set(table.columns[: table.keys]) for table in TABLES} == keys


async def test_more_rows_than_one_page_are_moved(tmp_path: Path) -> None:
    old, new, file = tmp_path / "old", tmp_path / "new", tmp_path / "record.jsonl"
    await filled(old)
    with sqlite3.connect(old / "snapasset.db") as connection:
        job_id = connection.execute("SELECT id FROM jobs LIMIT 1").fetchone()[0]
        connection.executemany(
            "INSERT INTO job_events (job_id, seq, type, body, at) VALUES (?, ?, 'update', '{}', 0)",
            [(job_id, seq) for seq in range(100, 2_100)],
        )
        connection.executemany(
            "INSERT INTO schedule_firings VALUES (?, ?, 'job')", [(f"s{n % 7}", n) for n in range(2_000)]
        )
    await moved(old, "export", file)
    await moved(new, "import", file)
    assert rows_of(new) == rows_of(old)


async def test_what_is_not_whole_or_does_not_fit_changes_nothing(tmp_path: Path) -> None:
    old, new, whole = tmp_path / "old", tmp_path / "new", tmp_path / "whole.jsonl"
    await filled(old)
    await moved(old, "export", whole)
    lines = whole.read_text().splitlines(keepends=True)
    job = next(number for number, line in enumerate(lines) if line.startswith('["'))
    broken = {
        "its last line": lines[:-1],
        "counts other rows": [*lines[:job], *lines[job + 1 :]],
        "not JSON": [*lines[:-3], lines[-3][:20]],
        "is no export": ['{"form":"another"}\n', *lines[1:]],
        "no export": ["hello\n"],
        "does not know": [line.replace('"owner"', '"owner; DROP TABLE jobs"') for line in lines],
        "fit its columns": [*lines[:job], "[1]\n", *lines[job + 1 :]],
        "neither a row": [lines[0], "7\n"],
        "know: 'jobs'": [lines[0], '{"table":"jobs","columns":[["id"]]}\n'],
        "not know: 'jobs'": [lines[0], '{"table":"jobs","columns":5}\n'],
        "fit its columns.": [lines[0], '["x"]\n'],
        "its columns": [*lines[:job], lines[job].replace('"draw"', '{"a":1}'), *lines[job + 1 :]],
        "columns.": [*lines[:job], lines[job].replace('"draw"', "1" * 23), *lines[job + 1 :]],
        "cannot take": [*lines[:job], lines[job].replace('"draw"', "null"), *lines[job + 1 :]],
        "record cannot take": [*lines[: job + 1], lines[job], *lines[job + 1 :]],
        "twice": [*lines[:-1], lines[1], lines[-1]],
        "cut off": [lines[0], "[" * 100_000 + "\n"],
    }
    for sentence, text in broken.items():
        file = tmp_path / "broken.jsonl"
        file.write_text("".join(text))
        with pytest.raises(BadConfiguration, match=f"{sentence}|not JSON"):
            await moved(new, "import", file)
        assert not any(rows_of(new).values())
    await moved(new, "import", whole)


async def test_a_folder_without_a_record_has_nothing_to_export_and_gets_none(tmp_path: Path) -> None:
    with pytest.raises(BadConfiguration, match="holds no record"):
        await moved(tmp_path / "mistyped", "export", tmp_path / "record.jsonl")
    assert not (tmp_path / "mistyped").exists()


async def test_a_record_that_a_service_has_open_takes_no_import(tmp_path: Path) -> None:
    old, new, file = tmp_path / "old", tmp_path / "new", tmp_path / "record.jsonl"
    await filled(old)
    await moved(old, "export", file)
    service = SqliteDatabase(new / "snapasset.db")
    await service.open()
    service.hold("a-worker")
    try:
        with pytest.raises(BadConfiguration, match="has this record open"):
            await moved(new, "import", file)
    finally:
        service.release("a-worker")
        await service.close()
    await moved(new, "import", file)


async def test_a_record_with_something_in_it_is_not_overwritten(tmp_path: Path) -> None:
    old, new, file = tmp_path / "old", tmp_path / "new", tmp_path / "record.jsonl"
    await filled(old)
    await filled(new, jobs=2)
    before = rows_of(new)
    await moved(old, "export", file)
    with pytest.raises(BadConfiguration, match="not empty"):
        await moved(new, "import", file)
    assert rows_of(new) == before
    with pytest.raises(BadConfiguration, match="exists already"):
        await moved(old, "export", file)


@pytest.mark.parametrize("words", [["exprot", "x"], ["export"], ["import", "a", "b"]])
def test_wrong_words_get_the_usage(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments=words) == 2
    assert "usage: python -m server" in capsys.readouterr().err


async def test_files_that_cannot_be_read_or_written_get_a_sentence(tmp_path: Path) -> None:
    cut_off = tmp_path / "a.gz"
    cut_off.write_bytes(gzip.compress(json.dumps({"form": "x"}).encode())[:-3])
    for command_name, file in (
        ("import", tmp_path / "none.jsonl"),
        ("import", tmp_path),
        ("import", cut_off),
        ("export", tmp_path / "no" / "folder"),
    ):
        with pytest.raises(BadConfiguration, match="The file cannot be used"):
            await moved(tmp_path / "data", command_name, file)
