"""Personal values leave judging protected: in rows, in reasons and in raw text."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from landfall_spark.column import Column, Protection
from landfall_spark.protection import protect
from landfall_spark.token_key import TokenKey
from tests.spark_jobs.judging import contract, run

ID = {"name": "id", "type": "STRING", "required": True}
SUM = {"name": "sum", "type": "INT64"}


def _personal(name: str, method: str, **more: Any) -> dict[str, Any]:
    keep = {"keep_last": 4} if method == "mask" else {}
    return {"name": name, "type": "STRING", "protection": {"method": method, **keep}, **more}


def _protect(method: str, *values: str | None, keep_last: int = 0, key: bytes = b"k" * 32) -> list[Any]:
    column = Column("c", "STRING", protection=Protection(method, keep_last))
    found: list[Any] = protect(pa.array(values, pa.string()), column, TokenKey("v", key)).to_pylist()
    return found


def test_a_token_is_a_keyed_hash() -> None:
    # RFC 4231, test cases 1 and 2.
    assert _protect("tokenise", "Hi There", key=b"\x0b" * 20) == [
        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
    ]
    assert _protect("tokenise", "what do ya want for nothing?", key=b"Jefe") == [
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    ]


def test_a_token_is_the_same_wherever_its_value_stands() -> None:
    first, other, again, null = _protect(
        "tokenise", "ana@example.com", "Ana@example.com", "ana@example.com", None
    )
    assert first == again != other
    assert null is None
    assert _protect("tokenise", "ana@example.com") == [first]
    assert _protect("tokenise", "ana@example.com", key=b"l" * 32) != [first]


def test_a_hash_is_sha_256_of_utf_8() -> None:
    assert _protect("hash", "abc", "ção", None) == [
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        "4ab2d81279c483cb89ff8224683c386fc9ad7837c9fe19a3f6c32af25384bdaf",
        None,
    ]


@pytest.mark.parametrize(
    ("value", "masked"),
    [
        ("12345678", "***5678"),
        ("1234567", "***567"),
        ("ab", "***b"),
        ("a", "***"),
        ("", "***"),
        ("não há", "*** há"),
    ],
)
def test_a_mask_keeps_at_most_half(value: str, masked: str) -> None:
    assert _protect("mask", value, keep_last=4) == [masked]
    assert _protect("mask", value) == ["***"]


def test_a_token_without_a_key_is_refused() -> None:
    column = Column("c", "STRING", protection=Protection("tokenise"))
    with pytest.raises(ValueError, match="there must be a token key"):
        protect(pa.array(["a"]), column, None)


PERSONAL = contract(
    ID,
    _personal("name", "mask", header="Nome", max_length=30),
    _personal("tax", "tokenise", pattern=r"\d{3}-\d{3}", required=True),
    _personal("mail", "hash", valid_values=["a@x", "b@x"]),
    {
        "name": "born",
        "type": "DATE",
        "formats": ["%Y-%m-%d"],
        "minimum": "1900-01-01",
        "protection": {"method": "drop"},
    },
    SUM,
    unknown_columns="ignore",
)
HEADER = ["id", "Nome", "tax", "mail", "born", "sum", "other"]
# Whatever of these shows anywhere has been leaked.
SECRETS = [
    "Eva Planted",
    "999-111",
    "999_111",
    "b@x",
    "c@x",
    "1999-12-31",
    "1899-12-31",
    "31/12/1999",
    "Secret",
    "\ufffd",
]


def test_no_personal_value_comes_out() -> None:
    outcome = run(
        PERSONAL,
        "1,Eva Planted Silva,999-111,b@x,1999-12-31,7,Secret",
        "2,Eva Planted Silva,999_111,c@x,31/12/1999,x,Secret",
        "3," + "Eva Planted " * 5 + ",,b@x,1899-12-31,1,Secret",
        b"4,Eva Planted \xff,999-111,b@x,1999-12-31,7,Secret",
        "5,Eva Planted Silva,999-111",
        '6,"Eva Planted" Silva,999-111,b@x,1999-12-31,7,Secret',
        '7,"Eva Planted Silva,999-111,b@x,1999-12-31,7,Secret',
        header=HEADER,
    )
    assert not [secret for secret in SECRETS if secret in outcome.everything()]
    assert outcome.names == ["id", "name", "tax", "mail", "sum"]
    assert outcome.accepted[1][:2] == ["1", "***ilva"]
    assert len(outcome.accepted[1][2]) == len(outcome.accepted[1][3]) == 64
    raws = {row: raw for row, (raw, _) in outcome.rejected.items()}
    assert raws == {
        2: "2,***,***,***,***,x,***",
        3: "3,***,***,***,***,1,***",
        **dict.fromkeys((4, 5, 6, 7)),
    }
    assert outcome.codes(2) == [
        ("pattern_mismatch", "tax"),
        ("not_in_set", "mail"),
        ("bad_type", "born"),
        ("bad_type", "sum"),
    ]
    assert outcome.codes(3) == [("too_long", "name"), ("null_in_required", "tax"), ("out_of_range", "born")]
    assert outcome.codes(4) == [("bad_encoding", "name")]
    values = {reason.column: reason.value for reason in outcome.rejected[2][1]}
    assert values == {"tax": "***", "mail": "***", "born": "***", "sum": "x"}


def test_a_record_written_anew_can_be_read_again() -> None:
    columns = (ID, _personal("name", "hash"), {"name": "note", "type": "STRING"}, SUM)
    for dialect in ({}, {"delimiter": ";", "quote": "'"}, {"escape": "\\"}):
        pipeline = contract(*columns, **dialect)
        mark, quote = pipeline.format.delimiter, pipeline.format.quote
        note = f"a{mark}b \\ {quote}c{quote}\r\nd"
        field = (
            quote
            + note.replace("\\", "\\\\" if dialect.get("escape") else "\\").replace(quote, quote * 2)
            + quote
        )
        raw, _ = run(pipeline, mark.join(["1", "Eva", field, "x"])).rejected[1]
        assert raw == mark.join(["1", "***", field, "x"])
