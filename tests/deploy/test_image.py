"""What the Dockerfile makes: everything that the service needs and nothing else, run by nobody of importance.

There is no Docker here. Its COPY lines are carried out by hand, and what they bring is started as the image would start it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from server.studio_files import FOLDER, read_studio
from tests.architecture.tree import project_files
from tests.deploy.manifests import (
    ROOT,
    compose,
    copied,
    dockerfile,
    excluded,
    image_environment,
    of_image,
    pod,
    railway,
    readme,
)
from tests.flows.process import Server, Worker, environment
from tests.web.studio import BUILD_SECONDS, node
from web.build import sources
from web.node import WEB
from web.packages import INSTALL

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

UID = "10001"
SETUP = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def in_image(folder: Path) -> Path:
    """What the COPY lines bring into /app, laid into a folder."""
    for path in project_files():
        for source, target in copied():
            if (path == source or path.startswith(f"{source}/")) and not excluded(path):
                place = folder / f"{target}{path.removeprefix(source)}".lstrip("/")
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(ROOT / path, place)
    return folder / "app"


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return in_image(tmp_path_factory.mktemp("image"))


@contextmanager
def running(words: list[str], app: Path, log: Path, **settings: object) -> Generator[subprocess.Popen[bytes]]:
    """What a command of the image starts, with the image's folder as the only place its code can come from."""
    assert words[0] == "python"
    given = environment(pythondontwritebytecode=1, **settings)
    with log.open("wb") as stream:
        process = subprocess.Popen([sys.executable, *words[1:]], cwd=app, env=given, stdout=stream, stderr=stream)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def server(app: Path, tmp_path: Path) -> Generator[Server]:
    """What CMD starts."""
    data_dir, log = tmp_path / "data", tmp_path / "log"
    with running(json.loads(of_image("CMD")[0]), app, log, data_dir=data_dir) as process:
        yield Server(process, data_dir, log)


@pytest.fixture
def worker(app: Path, tmp_path: Path) -> Generator[Worker]:
    """What the deployments start as a worker, without Redis and with a file as its record."""
    data_dir, log = tmp_path / "data", tmp_path / "log"
    words = pod("worker")["containers"][0]["command"]
    assert words == compose()["services"]["worker"]["command"] == railway("worker")["deploy"]["startCommand"].split()
    with running(words, app, log, data_dir=data_dir, worker_port=0) as process:
        yield Worker(process, data_dir, log)


def healthcheck(app: Path, **ports: int) -> tuple[int, str]:
    """What HEALTHCHECK's shell runs, with these ports; our Python under the name `python`."""
    command = of_image("HEALTHCHECK")[0].partition(" CMD ")[2]
    names = app.parent / "bin"
    names.mkdir(exist_ok=True)
    (names / "python").unlink(missing_ok=True)
    (names / "python").symlink_to(sys.executable)
    given = {
        "PATH": f"{names}:{os.defpath}",
        "PYTHONDONTWRITEBYTECODE": "1",
        **{name: str(port) for name, port in ports.items()},
    }
    done = subprocess.run(["/bin/sh", "-c", command], cwd=app, env=given, capture_output=True, text=True, check=False)
    return done.returncode, done.stderr


def test_what_is_copied_serves_and_says_that_it_is_healthy(server: Server, app: Path) -> None:
    assert healthcheck(app, PORT=server.port, WORKER_PORT=1) == (0, "")
    status, said = healthcheck(app, PORT=1, WORKER_PORT=1)
    assert (status, said.startswith("unhealthy: ")) == (1, True)


def test_what_is_copied_works_and_says_that_it_is_healthy(worker: Worker, app: Path) -> None:
    assert worker.announced["mode"] == "memory"
    assert worker.announced["database"].startswith("SQLite ")
    assert healthcheck(app, PORT=1, WORKER_PORT=worker.announced["healthPort"]) == (0, "")


def test_every_package_and_its_data_is_in_the_image(app: Path) -> None:
    for package in SETUP["tool"]["setuptools"]["packages"]:
        assert (app / package.replace(".", "/") / "__init__.py").is_file(), package
    for package, patterns in SETUP["tool"]["setuptools"]["package-data"].items():
        folder = package.replace(".", "/")
        for pattern in patterns:
            expected = {path.relative_to(ROOT) for path in (ROOT / folder).glob(pattern)}
            assert expected == {path.relative_to(app) for path in (app / folder).glob(pattern)} != set()


def test_nothing_else_is_in_the_image(app: Path) -> None:
    assert {path.name for path in app.iterdir()} == {"snapasset", "worker", "server"}
    assert {path.suffix for path in app.rglob("*") if path.is_file()} <= {
        ".py", ".sql", ".html", ".css", ".js", ".svg",
    }  # fmt: skip


@pytest.mark.parametrize(
    "path",
    [
        ".venv/bin/python", ".git/config", ".data/snapasset.db", ".env", "tests/conftest.py", "requirements/dev.txt",
        "docker-compose.yml", "snapasset/__pycache__/job.cpython-311.pyc", "server/page/x.pyc", "worker/railway.json",
        "node_modules/x.js", "backup.jsonl.gz", "web/node_modules/vite/package.json", "web/dist/index.html", "web/tests/x.ts",
        "web/build.py", "web/library/sdk.js",
    ],
)  # fmt: skip
def test_what_is_not_of_the_image_is_not_even_sent_to_its_builder(path: str) -> None:
    assert excluded(path)


@pytest.mark.parametrize("path", ["requirements/runtime.txt", "server/page/app.js", "snapasset/job.py", "web/.npmrc"])
def test_what_is_of_the_image_is_sent(path: str) -> None:
    assert (ROOT / path).exists()
    assert not excluded(path)


def test_nobody_is_root() -> None:
    [user] = of_image("USER")
    assert user == f"{UID}:{UID}"
    words = [instruction.word for instruction in dockerfile()[-1]]
    assert "RUN" not in words[words.index("USER") :]
    for name in ("api", "worker"):
        security = pod(name)["securityContext"]
        assert security["runAsNonRoot"] is True
        assert {str(security[key]) for key in ("runAsUser", "runAsGroup", "fsGroup")} == {UID}


def test_nothing_can_be_written_but_the_volume_and_what_is_temporary() -> None:
    for name in ("api", "worker"):
        container = pod(name)["containers"][0]
        security = container["securityContext"]
        assert security["readOnlyRootFilesystem"] is True
        assert security["allowPrivilegeEscalation"] is False
        assert security["capabilities"]["drop"] == ["ALL"]
        mounted = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
        volumes = {volume["name"]: volume for volume in pod(name)["volumes"]}
        assert mounted.keys() == {image_environment()["DATA_DIR"], "/tmp"}
        assert "emptyDir" in volumes[mounted["/tmp"]]
        assert volumes[mounted["/data"]]["persistentVolumeClaim"]["claimName"] == "snapasset-files"


def test_in_compose_nothing_can_be_written_but_the_volume_and_what_is_temporary() -> None:
    for name in ("api", "worker"):
        service = compose()["services"][name]
        assert service["read_only"] is True
        assert service["tmpfs"] == ["/tmp"]
        assert service["cap_drop"] == ["ALL"]
        # A named volume, and copied into when it is new: so it gets the owner of the image's folder.
        assert service["volumes"] == [f"files:{image_environment()['DATA_DIR']}"]
        assert "user" not in service
    assert compose()["volumes"]["files"] is None


def test_no_process_of_compose_gains_a_privilege() -> None:
    assert {tuple(service["security_opt"]) for service in compose()["services"].values()} == {
        ("no-new-privileges:true",)
    }


def test_who_must_own_an_exported_folder_is_said() -> None:
    for text in ((ROOT / "deploy" / "kubernetes" / "files.yaml").read_text("utf-8"), readme("**Kubernetes**")):
        assert set(re.findall(r"\b(\d+):(\d+)\b", text)) == {(UID, UID)}


def test_the_data_folder_is_the_users_and_no_volume_is_declared() -> None:
    [made] = [rest for rest in of_image("RUN") if "install --directory" in rest]
    assert f"--mode=0700 --owner={UID} --group={UID} {image_environment()['DATA_DIR']}" in made
    assert not of_image("VOLUME")


def test_packages_are_installed_by_their_hashes_and_only_those_of_the_service() -> None:
    everything = " ".join(rest for stage in dockerfile() for word, rest in stage if word in ("RUN", "COPY"))
    assert re.findall(r"requirements/\w+\.\w+", everything) == ["requirements/runtime.txt"] * 3
    [install] = re.findall(r"pip [^&]*install[^&]*", everything)
    assert {"--require-hashes", "--only-binary=:all:"} <= set(install.split())


def test_it_is_made_in_stages_whose_bases_and_versions_are_said() -> None:
    first, *stages = dockerfile()
    assert [stage[0].rest for stage in stages] == [
        "${NODE_IMAGE} AS studio",
        "${PYTHON_IMAGE} AS build",
        "${PYTHON_IMAGE}",
    ]
    base = re.fullmatch(r"PYTHON_IMAGE=python:(\d+\.\d+)\.\d+-slim-\w+", first[0].rest)
    assert base
    assert SETUP["project"]["requires-python"] == f">={base[1]}"
    node = re.fullmatch(r"NODE_IMAGE=node:(\d+\.\d+\.\d+)-\w+-slim", first[1].rest)
    assert node
    assert f"\nnodejs-wheel-binaries=={node[1]} " in (ROOT / "requirements" / "dev.txt").read_text("utf-8")


def test_python_is_started_itself_and_prints_at_once() -> None:
    assert json.loads(of_image("CMD")[0]) == ["python", "-m", "server"]
    assert not of_image("ENTRYPOINT")
    assert image_environment()["PYTHONUNBUFFERED"] == "1"
    assert pod("worker")["containers"][0]["command"] == ["python", "-m", "worker"]


def test_what_changes_seldom_is_built_first() -> None:
    _, studio, build, image = dockerfile()
    [packages] = [at for at, (word, rest) in enumerate(build) if word == "RUN" and "--require-hashes" in rest]
    before = [rest.split()[0] for word, rest in build[:packages] if word == "COPY"]
    after = [rest.split()[0] for word, rest in build[packages:] if word == "COPY"]
    assert before == ["requirements/runtime.txt"]  # a change of the code installs nothing anew
    assert sorted(after) == ["server", "snapasset", "worker"]
    words = [word for word, _ in image]
    assert words.index("RUN") < words.index("COPY")
    assert [rest.split()[1] for word, rest in image if word == "COPY"] == ["/opt/snapasset", "/app", "/studio/dist"]
    [installed] = [at for at, (word, rest) in enumerate(studio) if word == "RUN" and rest.startswith("npm ci")]
    early = [rest.split()[:-1] for word, rest in studio[:installed] if word == "COPY"]
    assert early == [["web/package.json", "web/package-lock.json", "web/.npmrc"]]


def _names(web: Path) -> list[str]:
    return [path.relative_to(web).as_posix() for path in sources(web)]


def test_the_studio_is_built_of_all_its_sources_and_put_where_it_is_served_from(tmp_path: Path) -> None:
    app = in_image(tmp_path)
    copied_there = tmp_path / "studio"
    assert _names(copied_there) == _names(WEB)
    assert (copied_there / ".npmrc").is_file()
    [brought] = [rest.split()[1:] for word, rest in dockerfile()[-1] if word == "COPY" and "--from=studio" in rest]
    assert brought == ["/studio/dist", f"/app/{FOLDER.relative_to(ROOT).as_posix()}"]
    assert app.name == "app"


@pytest.mark.timeout(BUILD_SECONDS + 120)
def test_what_is_copied_for_the_studio_is_enough_to_build_it(tmp_path: Path) -> None:
    found, folder = node(), in_image(tmp_path).parent / "studio"
    (folder / "node_modules").symlink_to(WEB / "node_modules")
    words = json.loads((folder / "package.json").read_text("utf-8"))["scripts"]["build"].split()
    assert words[0] == "vite"
    found.run("vite/bin/vite.js", *words[1:], web=folder, seconds=100)
    assert read_studio(folder / "dist") is not None


def test_packages_of_the_studio_are_installed_by_the_lock_file_and_run_nothing() -> None:
    [install] = [rest for word, rest in dockerfile()[1] if word == "RUN" and "npm ci" in rest]
    assert install.split() == ["npm", *INSTALL]
