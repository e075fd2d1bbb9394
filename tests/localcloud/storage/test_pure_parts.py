"""Names, ranges, multipart bodies, globs, tokens, headers: the parts that touch nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localcloud.storage.checksums import Content
from localcloud.storage.errors import InvalidError, RangeNotSatisfiableError
from localcloud.storage.events import finalized, header_value
from localcloud.storage.folder import Window
from localcloud.storage.listing import Listing, decode_token, encode_token, fold, glob_pattern, successor
from localcloud.storage.multipart import parse_batch, parse_related
from localcloud.storage.names import check_bucket_name, check_object_name, path_components
from localcloud.storage.outbox import retry_delay
from localcloud.storage.ranges import Span, UploadRange, requested_span, upload_range
from localcloud.storage.resources import Stamp, StoredObject, object_resource, timestamp


@pytest.mark.parametrize("name", ["a", "a/b.csv", "a b", "ü/€", ".hidden", "..a", "a..", "a" * 255])
def test_a_name_that_can_be_a_path_is_one(name: str) -> None:
    assert path_components(name) == tuple(name.split("/"))


@pytest.mark.parametrize(
    "name", ["../a", "a/..", "a/../b", "./a", "/a", "a/", "a//b", "a\0b", "a" * 256, "ü" * 128, "a/./b"]
)
def test_a_name_that_cannot_be_a_path_is_a_blob(name: str) -> None:
    assert path_components(name) is None
    assert check_object_name(name) == name


@pytest.mark.parametrize("name", ["", "a" * 1025, "ü" * 513, "a\nb", "a\rb", ".", "..", "\ud800"])
def test_a_name_that_cloud_storage_refuses_is_refused(name: str) -> None:
    with pytest.raises(InvalidError, match=r"expected .* found"):
        check_object_name(name)


@pytest.mark.parametrize(
    "name", ["", "ab", "Abc", "-abc", "abc-", "a..b", ".storage", "a/b", "a" * 64, "..", "a b"]
)
def test_a_bucket_name_that_is_no_folder_beside_the_others_is_refused(name: str) -> None:
    with pytest.raises(InvalidError):
        check_bucket_name(name)


@pytest.mark.parametrize(
    ("header", "span"),
    [
        ("bytes=0-0", Span(0, 0)),
        ("bytes=2-", Span(2, 9)),
        ("bytes=2-100", Span(2, 9)),
        ("bytes=-3", Span(7, 9)),
        ("bytes=-100", Span(0, 9)),
        ("bytes=5-2", None),
        ("bytes=0-1,4-5", None),
        ("lines=1-2", None),
        (None, None),
    ],
)
def test_range_of_a_download(header: str | None, span: Span | None) -> None:
    assert requested_span(header, 10) == span


@pytest.mark.parametrize(("header", "size"), [("bytes=10-", 10), ("bytes=0-", 0), ("bytes=-0", 10)])
def test_range_behind_the_end(header: str, size: int) -> None:
    with pytest.raises(RangeNotSatisfiableError):
        requested_span(header, size)


def test_range_of_an_upload() -> None:
    assert upload_range("bytes 0-9/20") == UploadRange(Span(0, 9), 20)
    assert upload_range("bytes 5-9/*") == UploadRange(Span(5, 9), None)
    assert upload_range("bytes */20") == UploadRange(None, 20)
    assert upload_range("bytes */*") == UploadRange(None, None)
    for wrong in ("", "bytes 9-0/20", "bytes 0-20/20", "0-9/20", "bytes 0-9"):
        with pytest.raises(InvalidError):
            upload_range(wrong)


@given(
    media=st.binary(max_size=200),
    newline=st.sampled_from([b"\n", b"\r\n"]),
    quoting=st.sampled_from(["", '"', "'"]),
)
def test_multipart_media_is_exact(media: bytes, newline: bytes, quoting: str) -> None:
    lines = [b"--==B==", b"Content-Type: application/json", b"", b'{"name": "a"}', b"--==B=="]
    lines += [b"Content-Type: text/csv", b"", media + newline + b"--==B==--", b""]
    related = parse_related(f"multipart/related; boundary={quoting}==B=={quoting}", newline.join(lines))
    assert bytes(related.media) == media
    assert (related.metadata, related.media_type) == (b'{"name": "a"}', "text/csv")


@pytest.mark.parametrize(
    "body", [b"", b"--B", b"--B\r\n\r\n{}\r\n--B--", b"--B\n\n{}\n--B\nno headers end\n--B--"]
)
def test_multipart_that_is_none(body: bytes) -> None:
    with pytest.raises(InvalidError, match="expected"):
        parse_related("multipart/related; boundary=B", body)


def test_batch_needs_a_boundary() -> None:
    with pytest.raises(InvalidError):
        parse_batch("application/json", b"")


@pytest.mark.parametrize(
    ("glob", "matches", "others"),
    [
        ("*.csv", ["a.csv", ".csv"], ["a/b.csv", "a.csv.gz"]),
        ("**.csv", ["a.csv", "a/b.csv"], ["a.txt"]),
        ("a/**/z", ["a/z", "a/b/z", "a/b/c/z"], ["z", "a/bz"]),
        ("a?c", ["abc"], ["a/c", "ac"]),
        ("[a-c]1", ["a1"], ["d1"]),
        ("[!a-c]1", ["d1"], ["a1"]),
        ("x.{csv,csv.gz}", ["x.csv", "x.csv.gz"], ["x.txt"]),
        (r"a\*", ["a*"], ["ab"]),
        ("a,b", ["a,b"], ["a", "b"]),
    ],
)
def test_glob(glob: str, matches: list[str], others: list[str]) -> None:
    pattern = glob_pattern(glob)
    assert [name for name in matches + others if pattern.fullmatch(name)] == matches


@given(prefix=st.text(), name=st.text())
def test_successor_is_behind_all_that_start_alike(prefix: str, name: str) -> None:
    end = successor(prefix)
    assert (prefix <= name and (end is None or name < end)) == name.startswith(prefix)


@given(start=st.text())
def test_page_token_comes_back(start: str) -> None:
    assert decode_token(encode_token(start)) == start


def test_page_token_that_is_none() -> None:
    with pytest.raises(InvalidError):
        decode_token("???")


_name = st.text(alphabet="ab/", min_size=1, max_size=6)


@given(
    names=st.sets(_name),
    prefix=st.sampled_from(["", "a", "a/", "b/a"]),
    limit=st.integers(1, 4),
    both=st.booleans(),
)
def test_pages_together_are_the_whole_listing(names: set[str], prefix: str, limit: int, both: bool) -> None:
    expected_items, expected_prefixes = [], set()
    for name in sorted(names):
        if name.startswith(prefix):
            head, slash, _ = name.removeprefix(prefix).partition("/")
            if slash:
                expected_prefixes.add(prefix + head + slash)
            if not slash or (both and name == prefix + head + slash):
                expected_items.append(name)
    items, prefixes, start = [], [], ""
    while True:
        listing = Listing(prefix, "/", start=start, with_trailing_delimiter=both, limit=limit)
        window = listing.window()
        found = (stored_object(name) for name in sorted(names) if window.covers(name))
        page = fold((stored for stored in found if window.covers(stored.name)), listing, window)
        items += [stored.name for stored in page.items]
        prefixes += page.prefixes
        if page.token is None:
            break
        start = decode_token(page.token)
    assert (items, prefixes) == (expected_items, sorted(expected_prefixes))


@given(names=st.sets(_name), low=_name, high=_name)
def test_a_folder_is_skipped_only_when_nothing_below_it_is_asked(
    names: set[str], low: str, high: str
) -> None:
    window = Window(low, high)
    for name in names:
        if window.covers(name):
            folders = [name[: i + 1] for i, character in enumerate(name) if character == "/"]
            assert all(window.may_cover_below(folder) for folder in folders)


def test_event_headers_hold_any_name() -> None:
    headers, body = finalized(object_resource(stored_object('é "50%"\t/ü.csv'), "http://h"), "7")
    assert headers["ce-subject"] == "objects/%C3%A9%20%2250%25%22%09/%C3%BC.csv"
    assert headers["ce-source"] == "//storage.googleapis.com/projects/_/buckets/b"
    assert headers["ce-time"] == "2001-09-09T01:46:40.123Z"
    assert b'"size": "3"' in body


@given(text=st.text())
def test_header_values_are_printable_ascii(text: str) -> None:
    assert all("\x21" <= character <= "\x7e" for character in header_value(text))


def test_delays_grow_to_thirty_seconds() -> None:
    delays = [retry_delay(attempts) for attempts in (1, 2, 3, 8, 9, 1000)]
    assert delays == [0.2, 0.4, 0.8, 25.6, 30.0, 30.0]


def test_times_are_milliseconds_in_utc() -> None:
    assert timestamp(1_000_000_000_123_999) == "2001-09-09T01:46:40.123Z"


def stored_object(name: str) -> StoredObject:
    content = Content(3, "crc", "md5")
    moment = 1_000_000_000_123_456
    return StoredObject("b", name, moment, 1, content, Stamp(3, 0, 0), is_blob=False, updated_us=moment)
