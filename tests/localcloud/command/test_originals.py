import io

import pytest

from localcloud.command.datasets import Dialect
from localcloud.command.originals import CHUNK_BYTES, Cutter, find_header, read_text, to_original


def dialect(delimiter: str = ";", quote: str = '"', escape: str | None = None) -> Dialect:
    return Dialect(delimiter, quote, escape, "UTF-8", header=True)


@pytest.mark.parametrize(
    ("text", "spoken", "header"),
    [
        (b"id;note\r\n1;a\n", dialect(), b"id;note"),
        (b"id;note", dialect(), b"id;note"),
        (b"\r\n\n\nid\n1\n", dialect(), b"id"),
        (b"sep=;\r\nid;note\n", dialect(), b"id;note"),
        (b"sep=;x\nid\n", dialect(), b"sep=;x"),
        (b'"a\nb";"c""d";e"f\n1\n', dialect(), b'"a\nb";"c""d";e"f'),
        (b"'a\n\\'b';c\n1\n", dialect(quote="'", escape="\\"), b"'a\n\\'b';c"),
        (b"a\\\nb;c\n1\n", dialect(escape="\\"), b"a\\\nb;c"),
        (b'"a"x\nb\n', dialect(), b'"a"x'),
        (b"a\tb\n", dialect(delimiter="\t"), b"a\tb"),
        (b"\n\r\n", dialect(), b""),
        (b"", dialect(), b""),
    ],
)
def test_the_header_is_the_first_record(text: bytes, spoken: Dialect, header: bytes) -> None:
    assert find_header(text, spoken) == header


def test_records_are_cut_across_chunks() -> None:
    cutter = Cutter(iter([b"", b"012", b"", b"345", b"6789"]))
    assert [b"".join(cutter.cut(*place)) for place in [(1, 1), (2, 3), (5, 0), (8, 2)]] == [
        b"1",
        b"234",
        b"",
        b"89",
    ]


@pytest.mark.parametrize("encoding", ["UTF-8", "UTF-16", "ISO-8859-1", "windows-1252"])
def test_a_text_longer_than_a_chunk_comes_back(encoding: str) -> None:
    content = ("é;ü\n" * (CHUNK_BYTES // 4 + 3)).encode(encoding)
    text = list(read_text(io.BytesIO(content), encoding, zipped=False))
    assert b"".join(text).decode() == content.decode(encoding)
    again = b"".join(to_original(piece, encoding) for piece in text)
    assert again.decode("utf-16-le" if encoding == "UTF-16" else encoding) == content.decode(encoding)
