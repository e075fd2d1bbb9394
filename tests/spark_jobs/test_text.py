"""The text of a file is the same however it is stored, and a file that is none is refused."""

from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from landfall_spark.refusal import Unreadable
from landfall_spark.text import decode, decode_range, skip
from tests.spark_jobs.test_records import chop, make_format

contents = st.text(st.sampled_from(list('a,\n\r"é€漢😀\0')), max_size=30)
cuts = st.lists(st.integers(0, 9), max_size=8)


@given(contents, st.sampled_from(["utf-8", "utf-8-sig"]), cuts)
def test_utf8_loses_its_mark_only(text: str, encoding: str, sizes: list[int]) -> None:
    assert b"".join(decode(chop(text.encode(encoding), sizes), "a.csv", make_format())) == text.encode()


@given(contents, st.sampled_from(["utf-16-le", "utf-16-be"]), cuts)
def test_utf16_in_either_order(text: str, encoding: str, sizes: list[int]) -> None:
    stored = ("\ufeff" + text).encode(encoding)
    assert b"".join(decode(chop(stored, sizes), "a.csv", make_format(encoding="UTF-16"))) == text.encode()


@pytest.mark.parametrize(
    ("stored", "text"),
    [
        ("a\ud83db", b"a\xffb"),
        ("a\ude00b", b"a\xffb"),
        ("a\ud83d", b"a\xff"),
        ("\ude00\ud83d", b"\xff\xff"),
    ],
)
@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_utf16_marks_lone_surrogates(stored: str, text: bytes, size: int) -> None:
    content = ("\ufeff" + stored).encode("utf-16-le", "surrogatepass")
    format = make_format(encoding="UTF-16")
    assert b"".join(decode(chop(content, [size] * 20), "a.csv", format)) == text


def test_utf16_marks_half_a_character() -> None:
    assert b"".join(decode([b"\xff\xfea\0b"], "a.csv", make_format(encoding="UTF-16"))) == b"a\xff"


@given(st.binary(max_size=40), cuts)
def test_single_bytes(stored: bytes, sizes: list[int]) -> None:
    latin1 = b"".join(decode(chop(stored, sizes), "a.csv", make_format(encoding="ISO-8859-1")))
    assert latin1.decode() == stored.decode("iso-8859-1")
    windows = b"".join(decode_range(chop(stored, sizes), make_format(encoding="windows-1252")))
    assert windows.decode("utf-8", "replace") == stored.decode("cp1252", "replace")


@given(st.lists(st.binary(max_size=30), min_size=1, max_size=3), cuts, st.integers(0, 5))
def test_gzip_members_are_one_text(members: list[bytes], sizes: list[int], padding: int) -> None:
    stored = (b"\0" * padding).join(gzip.compress(member) for member in members) + b"\0" * padding
    content = b"".join(decode(chop(stored, sizes), "a.csv.gz", make_format(encoding="ISO-8859-1")))
    assert content.decode() == b"".join(members).decode("iso-8859-1")


def _refusal(stored: bytes, name: str = "a.csv.gz", **format: object) -> tuple[str, str]:
    with pytest.raises(Unreadable) as raised:
        list(decode([stored], name, make_format(**format)))
    return raised.value.refusal.reason, raised.value.refusal.detail


def test_gzip_cut_anywhere_is_refused() -> None:
    stored = gzip.compress(b"a,b\n" * 10)
    for length in range(len(stored)):
        assert _refusal(stored[:length]) == (
            "unreadable",
            "expected a whole gzip file, found one that ends too early",
        )


def test_damaged_gzip_is_refused() -> None:
    stored = bytearray(gzip.compress(bytes(range(256)) * 10))
    for place in (0, 1, 2, len(stored) - 8):
        broken = stored.copy()
        broken[place] ^= 0xFF
        assert _refusal(bytes(broken))[0] == "unreadable"
    assert _refusal(gzip.compress(b"a") + b"rest")[0] == "unreadable"


def test_a_bomb_is_refused_before_it_goes_off() -> None:
    stored = gzip.compress(b"\0" * 50_000_000)
    reason, detail = _refusal(stored, max_text_bytes=3_000_000)
    assert reason == "too_large"
    assert detail.startswith("expected at most 3000000 bytes once decompressed, found more")
    exact = zlib.compress(b"a" * 100, wbits=31)
    assert b"".join(decode([exact], "a.csv.gz", make_format(max_text_bytes=100))) == b"a" * 100
    assert _refusal(exact, max_text_bytes=99)[0] == "too_large"


def test_utf16_without_a_mark_is_refused() -> None:
    assert _refusal("a".encode("utf-16-le"), "a.csv", encoding="UTF-16")[0] == "not_text"


@given(st.binary(max_size=20), cuts, st.integers(0, 25))
def test_skip(text: bytes, sizes: list[int], count: int) -> None:
    assert b"".join(skip(chop(text, sizes), count)) == text[count:]
