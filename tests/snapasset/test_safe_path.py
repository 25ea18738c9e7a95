"""A key leads to one place under its root, or is refused: examples, and anything hypothesis can think of."""

from __future__ import annotations

import ntpath
import os
from pathlib import Path, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapasset.errors import InvalidInput
from snapasset.storage.safe_path import KEY_MAX_BYTES, NAME_MAX_BYTES, check_key, is_safe_name, safe_path

ROOT = Path("/nowhere/files")

TRICKY = st.text(st.sampled_from("a.b/\\:~ \x00\n\t%cCoOnN1é\u2028\ud800*-"), max_size=12)


@pytest.mark.parametrize(
    "key", ["a", "a/b.png", "generations/0a-1b/master.png", "日本/ü.jpg", "a b/c+d~(1)", "a..b", "con1", "common.png"]
)
def test_a_plain_key_is_its_own_path(key: str) -> None:
    assert safe_path(ROOT, key) == ROOT / key
    assert "/".join(check_key(key)) == key


@pytest.mark.parametrize(
    "key",
    [
        "", "/", "/a", "a/", "a//b", ".", "..", "a/..", "../a", "a/../b", "./a", "a/./b", "~/.ssh"[1:], ".hidden", "a/.b",
        "a\\b", "\\\\host\\share", "C:/a", "c:a", "a:stream", "a\x00", "a\nb", "a\rb", "a\tb", "a\x1bb", "a\x7f", "a\x85b",
        "a\u2028b", "a\u2029b", "\ud800", "a*", "a?", 'a"', "a<b", "a>b", "a|b", "a.", "a ", "a./b", "a /b",
        "con", "CON", "nul.txt", "a/Aux/b", "COM1", "lpt9.tar.gz", "com¹", "NUL .txt", "CONIN$", "clock$",
    ],
)  # fmt: skip
def test_an_unsafe_key_is_refused(key: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        safe_path(ROOT, key)
    assert not caught.value.retryable


def test_keys_and_names_have_a_longest_length_in_bytes() -> None:
    for name in ("a" * NAME_MAX_BYTES, "ü" * (NAME_MAX_BYTES // 2)):
        assert check_key(name) == (name,)
        with pytest.raises(InvalidInput):
            check_key(name + "x")
    whole = "/".join(["a" * 127] * 4)
    assert len(whole) == KEY_MAX_BYTES - 1
    check_key(whole + "b")
    with pytest.raises(InvalidInput):
        check_key(whole + "bc")


def test_the_complaint_does_not_repeat_the_key() -> None:
    with pytest.raises(InvalidInput) as caught:
        check_key("evil\x1b[31m\nkey")
    assert "evil" not in str(caught.value)


@given(TRICKY | st.text(max_size=40))
def test_whatever_the_key_it_stays_under_the_root_or_is_refused(key: str) -> None:
    try:
        path = safe_path(ROOT, key)
    except InvalidInput:
        return
    assert Path(os.path.normpath(path)) == path
    assert path.is_relative_to(ROOT)
    assert path != ROOT
    windows = PureWindowsPath("D:/files") / key
    # From 3.13 on it is a function of ntpath, and the path's own method is deprecated.
    assert not (getattr(ntpath, "isreserved", None) or PureWindowsPath.is_reserved)(windows)
    assert windows.parts == ("D:\\", "files", *key.split("/"))


@given(st.lists(st.text(st.characters(categories=["L", "Nd"]), min_size=1, max_size=8), min_size=1, max_size=6))
def test_different_keys_have_different_paths(names: list[str]) -> None:
    if all(map(is_safe_name, names)):
        assert safe_path(ROOT, "/".join(names)).relative_to(ROOT).parts == tuple(names)


class TestSymlinks:
    @pytest.mark.parametrize("key", ["link", "link/a", "folder/link", "folder/link/a/b"])
    @pytest.mark.parametrize("target", ["elsewhere", "files/folder", "missing"])
    def test_one_anywhere_on_the_way_is_refused(self, tmp_path: Path, key: str, target: str) -> None:
        root = tmp_path / "files"
        (root / "folder").mkdir(parents=True)
        (tmp_path / "elsewhere").mkdir()
        for link in (root / "link", root / "folder/link"):
            link.symlink_to(tmp_path / target)
        with pytest.raises(InvalidInput):
            safe_path(root, key)
        assert safe_path(root, "folder/a") == root / "folder/a"

    def test_the_root_may_be_one(self, tmp_path: Path) -> None:
        (tmp_path / "link").symlink_to(tmp_path)
        assert safe_path(tmp_path / "link", "a") == tmp_path / "link" / "a"
