"""What stands beside ours: two apps of Starlette (`bench.sse_peers`), and nginx with nchan where Debian has it."""

from __future__ import annotations

import os
import shutil
import socket
import sys
import tempfile
import time
from collections import defaultdict
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench.peers import NotHere
from bench.sse_baton import Baton
from bench.sse_systems import READY_SECONDS, Cores, Publishing, Served, System, event_body, program, wait_for
from tests.servers.free_port import free_port
from tests.servers.wheels import NoServer, call, only_one

if TYPE_CHECKING:
    from collections.abc import Generator

_MODULE: Final = Path("/usr/lib/nginx/modules/ngx_nchan_module.so")
_PACKAGES: Final = ("nginx", "libnginx-mod-nchan")
_CONFIGURATION: Final = """
load_module {module};
daemon off; worker_processes 1; worker_rlimit_nofile {files}; {user}
pid {folder}/pid; error_log {folder}/log error;
events {{ worker_connections {files}; }}
http {{
  access_log off; nchan_shared_memory_size 256M; client_body_buffer_size 64k;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    keepalive_requests 1000000;
    location ~ ^/pub/(.+)$ {{ nchan_publisher; nchan_channel_id $1; nchan_message_buffer_length 100; }}
    location ~ ^/(.+)$ {{ nchan_subscriber eventsource; nchan_channel_id $1; nchan_subscriber_first_message newest; }}
  }}
}}
"""


def _follow(topic: str) -> bytes:
    return f"GET /{topic} HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: text/event-stream\r\n\r\n".encode()


def _names(count: int) -> list[str]:
    """As long as the ids of our jobs."""
    return [f"{number:036d}" for number in range(count)]


class _App(Served):
    def __init__(self, port: int, pid: int, publishing: Publishing, baton: Baton) -> None:
        super().__init__(port, pid, _names(publishing.topics))
        self._pad = publishing.pad
        self._baton = baton

    def request(self, topic: str, after: str | None = None) -> bytes:
        del after  # it keeps nothing
        return _follow(topic)

    def publish(self, topic: str) -> None:
        self._baton.tell(0, f"{topic} {self._pad}\n".encode())


class App(System):
    """One of the two ways of `bench.sse_peers`."""

    def __init__(self, name: str, way: str) -> None:
        self.name = name
        self._way = way

    @contextmanager
    def serve(self, publishing: Publishing, cores: Cores) -> Generator[Served]:
        with ExitStack() as stack:
            baton = Baton(Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-"))))
            stack.callback(baton.close)
            port = free_port()
            command = [sys.executable, "-m", "bench.sse_peers", self._way, str(port), baton.path]
            process = stack.enter_context(program(command, cores.server, {}))
            wait_for(process, port)
            baton.wait_for(1)
            yield _App(port, process.pid, publishing, baton)


class _Channels(Served):
    greeting = b": hi"

    def __init__(self, port: int, pid: int, publishing: Publishing) -> None:
        super().__init__(port, pid, _names(publishing.topics))
        self._pad = publishing.pad
        self._seqs: defaultdict[str, int] = defaultdict(int)
        self._publisher = socket.create_connection(("127.0.0.1", port))
        self._publisher.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def request(self, topic: str, after: str | None = None) -> bytes:
        del after  # what it keeps does not outlive it
        return _follow(topic)

    def publish(self, topic: str) -> None:
        self._seqs[topic] += 1
        body = event_body(topic, self._seqs[topic], self._pad)
        self._publisher.sendall(
            f"POST /pub/{topic} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: {len(body)}\r\n\r\n{body}".encode()
        )
        with suppress(BlockingIOError):  # the answers are of no interest, and must not pile up
            self._publisher.recv(65_536, socket.MSG_DONTWAIT)

    def close(self) -> None:
        self._publisher.close()


class Nchan(System):
    """nginx with one worker process and Debian's nchan, which publishes what is posted to it."""

    name = "nginx + nchan"

    @contextmanager
    def serve(self, publishing: Publishing, cores: Cores) -> Generator[Served]:
        nginx = _nginx()
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
            port = free_port()
            configuration = folder / "nginx.conf"
            user = "user root;" if os.geteuid() == 0 else ""
            given = {"module": _MODULE, "folder": folder, "port": port, "files": 20_000, "user": user}
            configuration.write_text(_CONFIGURATION.format(**given))
            command = [nginx, "-e", str(folder / "log"), "-c", str(configuration)]
            process = stack.enter_context(program(command, cores.server, {}, gently=True))
            wait_for(process, port)
            served = _Channels(port, _child(process.pid), publishing)
            stack.callback(served.close)
            yield served


def _child(pid: int) -> int:
    """The worker process of nginx, which is what serves. Raises `NotHere`."""
    children, deadline = Path(f"/proc/{pid}/task/{pid}/children"), time.monotonic() + READY_SECONDS
    while not (found := children.read_text().split()):
        if time.monotonic() > deadline:
            raise NotHere("nginx has no worker process")
        time.sleep(0.02)
    return int(found[0])


def _nginx() -> str:
    """The program with its module in place. Raises `NotHere`."""
    if not _MODULE.exists() or not shutil.which("nginx"):
        if os.geteuid() != 0 or shutil.which("apt-get") is None:
            raise NotHere("nginx with nchan is not here, and this is not root on Debian")
        # Run level 1: the package's own service is not started.
        quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
        try:
            with only_one():
                call(["apt-get", "install", "--quiet", "--yes", "--no-install-recommends", *_PACKAGES], quiet)
        except NoServer as reason:
            raise NotHere(str(reason)) from reason
    nginx = shutil.which("nginx")
    if nginx is None:
        raise NotHere("there is no nginx")
    return nginx
