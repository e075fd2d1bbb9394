"""What `landfall where` can be asked for, on a shelf of files of every kind."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from localcloud.command.wanted import parse_names, read_content
from localcloud.command.where import where
from localcloud.launcher.errors import CommandError
from tests.bigquery.world import Warehouse
from tests.localcloud.command.conftest import make_world
from tests.localcloud.command.pipeline_world import BUCKETS, SourceFile, World
from tests.localcloud.storage.conftest import StorageProcess

LANDING = f"gs://{BUCKETS['landing']}"
Files = Mapping[str, SourceFile]


@pytest.fixture(scope="module")
def shelf(warehouse: Warehouse, storage_process: StorageProcess) -> tuple[World, Files]:
    """In the order of their landing: recorded, the same name again in an open batch, and again in landing."""
    world = make_world(warehouse, storage_process)
    files = {}
    for number, (name, content) in enumerate(
        {"a.csv": "first", "x/b.csv": "other", "odd#7.csv": "odd"}.items()
    ):
        files[f"recorded {number}"] = world.land(f"price_quote/{name}", content)
    world.end(world.claim(*files.values()))
    files["open"] = world.land("price_quote/a.csv", "second")
    world.claim(files["open"], run="run_2")
    files["twin"] = world.land("price_quote/copy of a.csv", "first")
    files["pending"] = world.land("price_quote/a.csv", "third")
    return world, files


def find(
    world: World, given: str, capsys: pytest.CaptureFixture[str], everything: bool = False
) -> dict[str, Any]:
    assert where(world.deployment, given, everything, as_json=True) == 0
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


CASES = {
    "name, newest first": ("price_quote/a.csv", ["pending", "open", "recorded 0"]),
    "end of a name": ("a.csv", ["pending", "open", "recorded 0"]),
    "address": (f"{LANDING}/price_quote/a.csv", ["pending", "open", "recorded 0"]),
    "name in a folder": ("b.csv", ["recorded 1"]),
    "name with a number sign": ("odd#7.csv", ["recorded 2"]),
    "half a name": (".csv", None),
    "part of an address": ("quote/a.csv", None),
    "address in another bucket": ("gs://elsewhere/price_quote/a.csv", None),
    "no name at all": ("", None),
    "pattern": ("%.csv", None),
}


@pytest.mark.parametrize(("given", "expected"), CASES.values(), ids=CASES)
def test_files_are_found_by_how_their_name_ends(
    shelf: tuple[World, Files], capsys: pytest.CaptureFixture[str], given: str, expected: list[str] | None
) -> None:
    world, files = shelf
    if expected is None:
        with pytest.raises(CommandError, match=r"has landed\. Expected a local file, an object's"):
            find(world, given, capsys)
        return
    document = find(world, given, capsys)
    found = [(one["uri"], one["generation"]) for one in [*document["files"], *document["others"]]]
    assert found == [(files[name].uri, files[name].generation) for name in expected]


@pytest.mark.parametrize("name", ["recorded 0", "recorded 2", "open", "pending"])
@pytest.mark.parametrize("form", ["{uri}#{generation}", "{name}#{generation}", "{generation}"])
def test_one_generation_is_found_alone(
    shelf: tuple[World, Files], capsys: pytest.CaptureFixture[str], name: str, form: str
) -> None:
    world, files = shelf
    file = files[name]
    given = form.format(uri=file.uri, name=file.uri.rpartition("/")[2], generation=file.generation)
    document = find(world, given, capsys)
    assert [(one["uri"], one["generation"]) for one in document["files"]] == [(file.uri, file.generation)]
    assert document["others"] == []


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("first", ["twin", "recorded 0"]),
        ("second", ["open"]),
        ("third", ["pending"]),
        ("other", ["recorded 1"]),
    ],
)
def test_a_local_file_is_found_by_its_content_whatever_its_name(
    shelf: tuple[World, Files],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    content: str,
    expected: list[str],
) -> None:
    world, files = shelf
    path = tmp_path / "whatever.txt"
    path.write_text(content)
    document = find(world, str(path), capsys, everything=True)
    assert [one["generation"] for one in document["files"]] == [files[name].generation for name in expected]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("new.csv", "`landfall drop {path}` puts it in"),
        ("a.csv", "One of its name has, with another content"),
    ],
)
def test_a_local_file_that_never_landed_is_said_with_what_to_try(
    shelf: tuple[World, Files], capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str, message: str
) -> None:
    path = tmp_path / name
    path.write_text("unheard of")
    with pytest.raises(CommandError) as error:
        find(shelf[0], str(path), capsys)
    assert f"no file with the content of {path} (10 bytes, md5 " in str(error.value)
    assert message.format(path=path) in str(error.value)


def test_the_same_content_is_told_of_as_before_or_after(
    shelf: tuple[World, Files], capsys: pytest.CaptureFixture[str]
) -> None:
    world, files = shelf
    (twin,) = find(world, "copy of a.csv", capsys)["files"]
    (first,) = find(world, files["recorded 0"].identity, capsys)["files"]
    assert [(one["generation"], one["state"], one["before"]) for one in twin["same_content"]] == [
        (files["recorded 0"].generation, "loaded", True)
    ]
    assert [(one["generation"], one["state"], one["before"]) for one in first["same_content"]] == [
        (files["twin"].generation, "pending", False)
    ]
    assert where(world.deployment, "copy of a.csv", False, as_json=False) == 0
    assert (
        f"the same content came before as {files['recorded 0'].identity} (loaded)" in capsys.readouterr().out
    )


def test_several_files_are_told_of_newest_first_and_the_others_listed(
    shelf: tuple[World, Files], capsys: pytest.CaptureFixture[str]
) -> None:
    world, files = shelf
    assert where(world.deployment, "a.csv", False, as_json=False) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("price_quote/a.csv  pending\n")
    assert "2 more files 'a.csv', older:" in shown
    rows = [line.split() for line in shown.splitlines() if line.startswith("price_quote/a.csv  1")]
    assert [(int(row[1]), row[2]) for row in rows] == [
        (files["open"].generation, "open"),
        (files["recorded 0"].generation, "loaded"),
    ]
    assert where(world.deployment, "a.csv", True, as_json=False) == 0
    shown = capsys.readouterr().out
    assert "more files" not in shown
    assert [line for line in shown.splitlines() if line.startswith("price_quote/a.csv  ")] == [
        "price_quote/a.csv  pending",
        "price_quote/a.csv  running",
        "price_quote/a.csv  loaded",
    ]


def test_a_file_of_another_name_says_that_its_content_found_it(
    shelf: tuple[World, Files], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"
    path.write_text("first")
    assert where(shelf[0].deployment, str(path), False, as_json=False) == 0
    shown = capsys.readouterr().out
    said = f"The newest file with the content of {path}:price_quote/copy of a.csv  pending"
    assert shown.replace("\n", "").startswith(said)
    assert f"1 more file with the content of {path}, older:" in shown


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ("B.cs", "'price_quote/x/b.csv'"),
        ("elsewhere/copy", "'price_quote/copy of a.csv'"),
        (".csv", "'price_quote/a.csv', 'price_quote/copy of a.csv', 'price_quote/odd#7.csv'"),
    ],
)
def test_names_that_have_what_is_asked_for_within_are_said(
    shelf: tuple[World, Files], capsys: pytest.CaptureFixture[str], given: str, names: str
) -> None:
    with pytest.raises(CommandError) as error:
        find(shelf[0], given, capsys)
    assert str(error.value).endswith(f"Names like it are {names}.")


def test_a_content_is_described_as_cloud_storage_describes_it(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"hello")
    content = read_content(path)
    # RFC 1321 and RFC 3720 over the same bytes.
    assert (content.size, content.md5, content.crc32c) == (5, "XUFAKrxLKna5cZ2REBfFkg==", "mnG7TA==")


def test_a_number_is_a_generation_first_and_a_name_else() -> None:
    assert [(one.generation, one.name) for one in parse_names("1795272689783497")] == [
        (1795272689783497, None),
        (None, "1795272689783497"),
    ]
    assert [(one.generation, one.name) for one in parse_names("2026.csv")] == [(None, "2026.csv")]
