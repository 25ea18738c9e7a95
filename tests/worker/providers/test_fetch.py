"""Nothing is fetched from where nobody is to be sent: from this machine, its network, or anything but https."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapasset.errors import DownloadFailed, DownloadRefused
from tests.fakes.openai import FakeOpenAI, file_of
from worker.providers.fetch import Fetcher, Origin, is_public

if TYPE_CHECKING:
    import ipaddress
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

PUBLIC = "93.184.215.14"
PICTURE = file_of("64x64")
PNG = {"content-type": "image/png"}

PRIVATE = [
    "127.0.0.1", "127.9.9.9", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
    "100.100.100.200", "100.127.255.255", "168.63.129.16", "192.0.0.9", "192.0.0.192", "192.88.99.1",
    "192.0.2.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255",
    "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1",
    "fec0::1", "feff:ffff::1", "3fff::1", "3fff:fff:ffff::1", "5f00::1", "4000::1", "64:ff9b:1::808:808", "::808:808",
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:a9fe:a9fe", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::1",
    "::ffff:168.63.129.16", "64:ff9b::a83f:8110", "64:ff9b::c058:6301", "2002:c058:6301::1", "2002:6440:1::1", "2002:a83f:8110::1",
    "2001:0:4136:e378:8000:63bf:f5ff:fffe", "2001:0:a00:1:8000:63bf:fefe:fefe", "not an address", "",
]  # fmt: skip


class Web(httpx2.AsyncBaseTransport):
    """What is on the web: answers by address as it was asked for, in the name of its host. Nothing goes out."""

    def __init__(self, **pages: httpx2.Response | Exception) -> None:
        self.pages = pages
        self.seen: list[tuple[str, str, str]] = []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        name = request.headers["host"]
        assert request.extensions["sni_hostname"] == name.partition(":")[0]
        self.seen.append((request.url.host, name, request.url.path))
        page = self.pages[request.url.path.strip("/")]
        if isinstance(page, Exception):
            raise page
        return page


def names(**known: Sequence[str]) -> Callable[[str, int], Any]:
    async def resolve(host: str, _port: int) -> Sequence[str]:
        await asyncio.sleep(0)
        return known.get(host.replace(".", "_"), [host])

    return resolve


def page(status: int = 200, headers: Mapping[str, str] = PNG, content: bytes = PICTURE) -> httpx2.Response:
    return httpx2.Response(status, headers=dict(headers), stream=httpx2.ByteStream(content))


def moved(to: str, status: int = 302) -> httpx2.Response:
    return httpx2.Response(status, headers={"location": to})


async def fetch(web: Web, url: str, *, trusted: str | None = None, **known: Sequence[str]) -> bytes:
    resolve = names(**{"cdn_example": [PUBLIC], **known})
    fetcher = Fetcher(trusted=Origin.of(trusted) if trusted else None, resolve=resolve, transport=web)
    try:
        return await fetcher.fetch(url)
    finally:
        await fetcher.close()


# --- from where


async def test_a_picture_is_fetched_from_the_address_that_was_looked_at_in_the_name_of_its_host():
    web = Web(a=page())
    assert await fetch(web, "https://cdn.example/a?sig=1") == PICTURE
    assert await fetch(Web(a=page()), "https://CDN.example:8443/a") == PICTURE
    assert web.seen == [(PUBLIC, "cdn.example", "/a")]


async def test_an_address_of_the_newer_kind_is_called_as_one():
    web = Web(a=page())
    assert await fetch(web, "https://cdn.example/a", cdn_example=["2606:4700:4700::1111"]) == PICTURE
    assert web.seen == [("2606:4700:4700::1111", "cdn.example", "/a")]


@pytest.mark.parametrize("address", PRIVATE)
async def test_a_name_that_leads_to_this_network_is_refused(address: str):
    web = Web(a=page())
    with pytest.raises(DownloadRefused):
        await fetch(web, "https://cdn.example/a", cdn_example=[address])
    assert web.seen == []
    assert not is_public(address)


async def test_one_private_address_among_public_ones_is_enough_to_refuse():
    with pytest.raises(DownloadRefused):
        await fetch(Web(), "https://cdn.example/a", cdn_example=[PUBLIC, "10.0.0.1"])
    with pytest.raises(DownloadRefused):
        await fetch(Web(), "https://cdn.example/a", cdn_example=[])


@pytest.mark.parametrize(
    "url",
    [
        "http://cdn.example/a", "ftp://cdn.example/a", "file:///etc/passwd", "data:image/png;base64,AAAA", "//cdn.example/a",
        "/a", "", "https://", "https:///a", "https://user:password@cdn.example/a", "https://cdn.example:99999/a",
        "https://[::1]/a", "https://127.0.0.1/a", "https://[::ffff:127.0.0.1]/a", "https://exa mple/a", "gopher://x",
        "https://\x00/a", "https://" + "a" * 70_000,
    ],
)  # fmt: skip
async def test_an_address_that_is_no_public_one_is_refused(url: str):
    web = Web(a=page())
    with pytest.raises(DownloadRefused):
        await fetch(web, url)
    assert web.seen == []


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "0177.0.0.1", "127.1", "localhost", "0"])
async def test_this_machine_is_known_in_any_spelling(host: str):
    fetcher = Fetcher(transport=Web(a=page()))
    try:
        with pytest.raises(DownloadFailed):
            await fetcher.fetch(f"https://{host}/a")
    finally:
        await fetcher.close()


@given(st.ip_addresses(v=4))
def test_an_address_wrapped_up_in_another_is_as_public_as_it_is_itself(inner: ipaddress.IPv4Address):
    number = int(inner)
    for wrapped in (
        f"::ffff:{inner}",
        f"64:ff9b::{number >> 16:x}:{number & 0xFFFF:x}",
        f"2002:{number >> 16:x}:{number & 0xFFFF:x}::1",
    ):
        assert is_public(wrapped) == is_public(str(inner))


def test_what_is_public():
    others = ["2002:101:101::1", "64:ff9b::101:101", "2001:0:101:101:8000:63bf:fefe:fefe"]
    assert all(map(is_public, [PUBLIC, "1.1.1.1", "2606:4700:4700::1111", "::ffff:1.1.1.1", *others]))


# --- and from there to where


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_followed_to_a_public_address(status: int):
    web = Web(a=moved("https://other.example/b", status), b=page())
    assert await fetch(web, "https://cdn.example/a", other_example=["1.1.1.1"]) == PICTURE
    assert web.seen == [(PUBLIC, "cdn.example", "/a"), ("1.1.1.1", "other.example", "/b")]
    assert await fetch(Web(a=moved("b", status), b=page()), "https://cdn.example/a") == PICTURE


@pytest.mark.parametrize(
    "to", ["http://cdn.example/b", "https://inside.example/b", "https://169.254.169.254/b", "file:///b", "//[::1]/b"]
)
async def test_a_redirect_to_anywhere_else_is_refused(to: str):
    web = Web(a=moved(to), b=page())
    with pytest.raises(DownloadRefused):
        await fetch(web, "https://cdn.example/a", inside_example=["10.0.0.1"])
    assert len(web.seen) == 1


@pytest.mark.parametrize("to", ["https://cdn.example/a", ""])
async def test_redirects_come_to_an_end(to: str):
    web = Web(a=moved(to))
    with pytest.raises(DownloadFailed):
        await fetch(web, "https://cdn.example/a")
    assert len(web.seen) <= 4


# --- the one that is configured


async def test_a_server_of_ones_own_may_be_near_and_plain():
    web = Web(a=page())
    assert await fetch(web, "http://localai:8080/a", trusted="http://localai:8080/v1", localai=["10.0.0.7"]) == PICTURE
    assert web.seen == [("10.0.0.7", "localai:8080", "/a")]


@pytest.mark.parametrize(
    "url",
    [
        "http://localai/a",
        "http://localai:8081/a",
        "https://localai:8080/a",
        "http://redis:8080/a",
        "http://10.0.0.7:8080/a",
    ],
)
async def test_that_goes_for_none_beside_it(url: str):
    with pytest.raises(DownloadRefused):
        await fetch(Web(a=page()), url, trusted="http://localai:8080/v1", localai=["10.0.0.7"], redis=["10.0.0.8"])


@pytest.mark.parametrize("to", ["http://redis:6379/b", "http://10.0.0.7:8080/b", "http://169.254.169.254/b"])
async def test_it_cannot_send_us_on_to_its_neighbours(to: str):
    with pytest.raises(DownloadRefused):
        await fetch(
            Web(a=moved(to), b=page()), "http://localai:8080/a", trusted="http://localai:8080", localai=["10.0.0.7"]
        )


async def test_nobody_else_can_send_us_to_it():
    web = Web(a=moved("http://localai:8080/b"), b=page())
    with pytest.raises(DownloadRefused):
        await fetch(web, "https://cdn.example/a", trusted="http://localai:8080", localai=["10.0.0.7"])
    there_and_back = Web(a=moved("https://cdn.example/b"), b=moved("http://localai:8080/c"), c=page())
    with pytest.raises(DownloadRefused):
        await fetch(there_and_back, "http://localai:8080/a", trusted="http://localai:8080", localai=["10.0.0.7"])


# --- what


@pytest.mark.parametrize(
    "bad",
    [
        page(404), page(500), page(206), page(204, content=b""),
        page(headers={"content-type": "text/html"}), page(headers={"content-type": "image/svg+xml"}), page(headers={}),
        page(headers={**PNG, "content-encoding": "gzip"}, content=b""),
        page(content=b"x" * 10_000_001), httpx2.ConnectError("no"), httpx2.ReadTimeout("no"), httpx2.ReadError("no"),
        OSError("no such name"),
    ],
)  # fmt: skip
async def test_what_is_no_picture_is_not_taken(bad: httpx2.Response | Exception):
    with pytest.raises(DownloadFailed) as raised:
        await fetch(Web(a=bad), "https://cdn.example/a?secret=canary")
    assert not isinstance(raised.value, DownloadRefused)
    assert "canary" not in raised.value.detail


async def test_the_type_may_say_more_than_the_type():
    assert (
        await fetch(Web(a=page(headers={"content-type": "Image/PNG; charset=binary"})), "https://cdn.example/a")
        == PICTURE
    )


async def test_it_does_not_wait_for_ever():
    async def never(_host: str, _port: int) -> Sequence[str]:
        await asyncio.Event().wait()
        return []

    fetcher = Fetcher(resolve=never, transport=Web(), seconds=0.05)
    try:
        with pytest.raises(DownloadFailed, match="within"):
            await fetcher.fetch("https://cdn.example/a")
    finally:
        await fetcher.close()


# --- for real


PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


async def test_no_proxy_of_the_environment_is_asked(monkeypatch: pytest.MonkeyPatch):
    """It would look the name up itself, and so undo what was looked at here."""
    async with FakeOpenAI() as fake, FakeOpenAI() as proxy:
        for name in (*PROXIES, *map(str.lower, PROXIES)):
            monkeypatch.setenv(name, proxy.origin)
        fake.files["/a.png"] = proxy.files["/a.png"] = ("image/png", PICTURE)
        fetcher = Fetcher(trusted=Origin.of(fake.url))
        try:
            assert await fetcher.fetch(f"{fake.origin}/a.png") == PICTURE
        finally:
            await fetcher.close()
        assert (fake.fetches, proxy.connections) == (["/a.png"], 0)


async def test_over_a_real_connection():
    async with FakeOpenAI() as fake:
        fake.files["/a.png"] = ("image/png", PICTURE)
        fetcher = Fetcher(trusted=Origin.of(fake.url))
        try:
            assert await fetcher.fetch(f"{fake.origin}/a.png") == PICTURE
        finally:
            await fetcher.close()


@pytest.mark.parametrize(("name", "good"), [("studio.example", True), ("another.example", False)])
async def test_the_certificate_is_that_of_the_name_though_an_address_is_called(
    tmp_path: Path, name: str, *, good: bool
):
    key, pem = tmp_path / "key.pem", tmp_path / "cert.pem"
    words = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=x",
        "-keyout",
        key,
        "-out",
        pem,
    ]
    await asyncio.to_thread(
        subprocess.run, [*words, "-addext", f"subjectAltName=DNS:{name}"], check=True, capture_output=True
    )
    secure = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    secure.load_cert_chain(pem, key)
    fake = FakeOpenAI(tls=secure)
    async with fake:
        fake.files["/a.png"] = ("image/png", PICTURE)
        url = f"https://studio.example:{fake.port}"
        context = ssl.create_default_context(cafile=str(pem))
        fetcher = Fetcher(trusted=Origin.of(url), resolve=names(studio_example=["127.0.0.1"]), context=context)
        try:
            if good:
                assert await fetcher.fetch(f"{url}/a.png") == PICTURE
            else:
                with pytest.raises(DownloadFailed):
                    await fetcher.fetch(f"{url}/a.png")
        finally:
            await fetcher.close()
