"""A replay: what it claims from ledger and archive, when it may not, and how it comes to trusted."""

import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from landfall_dags import claim, replay
from landfall_dags.errors import TerminalError
from landfall_dags.identity import replay_id
from landfall_dags.journal import Entry, Journal, Manifest, folder_uri, open_uri, parse_manifest
from landfall_dags.pipeline import Pipeline, parse_pipeline
from landfall_dags.replay import Replay, parse_replay
from landfall_dags.settings import Settings
from landfall_dags.store import Store
from tests.composer_dags import turns
from tests.composer_dags.memory_ledger import MemoryLedger
from tests.composer_dags.memory_store import Interrupted, PowerCutError
from tests.composer_dags.turns import AT, PLACES
from tests.composer_dags.worlds import MemoryWorld, World

OPEN = open_uri("lake", "price_quote")
LATER = AT + timedelta(days=30)
NAMES = ("price_quote/a.csv", "price_quote/in/b c.csv.gz", "price_quote/ä#7?.csv")


@pytest.fixture
def ledger() -> MemoryLedger:
    return MemoryLedger()


def end(world: World, ledger: MemoryLedger, manifest: Manifest) -> None:
    """Record a batch and close its journal."""
    ledger.end(manifest)
    claim.close(world.store, "lake", manifest.entry.dataset, manifest.entry.batch_id)


def arrive(world: World, pipeline: Pipeline, *names: str, token_key: str | None = None) -> Manifest:
    """Drop files, each with its name as content, and claim them."""
    for name in names:
        world.put(f"gs://landing/{name}", name.encode())
    return turns.claimed(world.store, pipeline, token_key=token_key)


def replayed(
    store: Store,
    ledger: MemoryLedger,
    pipeline: Pipeline,
    asked: str,
    run: str = "run-2",
    now: datetime = LATER,
    token_key: str | None = None,
) -> Manifest:
    """What a run claims that is asked for a replay."""
    wanted = parse_replay({"replay": asked})
    assert wanted is not None

    def proposal(_: Journal) -> Entry:
        return replay.propose(store, PLACES, pipeline, wanted, ledger.archived_files, run, now)

    return turns.claimed(store, pipeline, run, ledger, now, token_key=token_key, proposal=proposal)


def everything(world: World) -> dict[str, bytes]:
    return {
        uri: world.content(uri) for bucket in ("landing", "archive", "lake") for uri in world.uris(bucket)
    }


def test_a_batch_is_claimed_again_from_the_ledger_as_it_first_came(
    world: World, pipeline: Pipeline, ledger: MemoryLedger
) -> None:
    first = arrive(world, pipeline, *NAMES)
    end(world, ledger, first)
    world.put("gs://landing/price_quote/pending.csv", b"pending")
    before = everything(world)
    again = replayed(world.store, ledger, pipeline, first.entry.batch_id)
    assert again.files == first.files, "identities, created_at, archive names, in the order of arrival"
    assert [world.content(file.archive_uri) for file in again.files] == [name.encode() for name in NAMES]
    assert again.superseded == ()
    assert again.entry.batch_id == replay_id(again.entry.files, "run-2") != first.entry.batch_id
    folder = folder_uri("lake", "price_quote", again.entry.batch_id)
    made = {f"{folder}/manifest.json", f"{folder}/pipeline.json"}
    assert set(everything(world)) - set(before) == made
    kept = before.keys() - {OPEN}
    assert {uri: world.content(uri) for uri in kept} == {uri: before[uri] for uri in kept}, "nothing moves"


def test_the_manifest_of_a_replay_says_what_was_asked_and_when(
    world: World, pipeline: Pipeline, ledger: MemoryLedger
) -> None:
    first = arrive(world, pipeline, NAMES[0])
    end(world, ledger, first)
    again = replayed(world.store, ledger, pipeline, first.files[0].source.identity)
    folder = folder_uri("lake", "price_quote", again.entry.batch_id)
    document = json.loads(world.content(f"{folder}/manifest.json"))
    (file,) = document.pop("files")
    assert document == {
        "version": 2,
        "dataset": "price_quote",
        "batch_id": again.entry.batch_id,
        "claim": again.entry.batch_id,
        "run_id": "run-2",
        "contract_version": "1.0.0",
        "claimed_at": "2025-12-21T01:26:03.000500Z",
        "arrived_on": "2025-12-21",
        "replay": first.files[0].source.identity,
        "token_key": None,
        "superseded": [],
    }
    (original,) = json.loads(
        world.content(f"{folder_uri('lake', 'price_quote', first.entry.batch_id)}/manifest.json")
    )["files"]
    assert file == original


@pytest.mark.parametrize("place", range(len(NAMES)))
def test_one_file_of_a_batch_is_read_again_alone(
    world: World, pipeline: Pipeline, ledger: MemoryLedger, place: int
) -> None:
    first = arrive(world, pipeline, *NAMES)
    end(world, ledger, first)
    again = replayed(world.store, ledger, pipeline, first.files[place].source.identity)
    assert again.files == (first.files[place],)


def test_a_replay_can_be_replayed(world: World, pipeline: Pipeline, ledger: MemoryLedger) -> None:
    first = arrive(world, pipeline, *NAMES)
    end(world, ledger, first)
    again = replayed(world.store, ledger, pipeline, first.entry.batch_id)
    end(world, ledger, again)
    third = replayed(world.store, ledger, pipeline, again.entry.batch_id, run="run-3")
    assert third.files == first.files
    assert len({first.entry.batch_id, again.entry.batch_id, third.entry.batch_id}) == 3


def test_a_replay_is_read_under_the_contract_of_today(
    world: World, pipeline: Pipeline, ledger: MemoryLedger
) -> None:
    first = arrive(world, pipeline, NAMES[0])
    end(world, ledger, first)
    text = pipeline.text.replace("1.0.0", "2.0.0")
    again = replayed(world.store, ledger, parse_pipeline(text, "here"), first.entry.batch_id)
    assert again.entry.contract_version == "2.0.0"
    pinned = [
        world.content(f"{folder_uri('lake', 'price_quote', batch)}/pipeline.json").decode()
        for batch in (first.entry.batch_id, again.entry.batch_id)
    ]
    assert pinned == [pipeline.text, text]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_whenever_the_process_dies_a_retry_claims_the_same_replay(
    pipeline: Pipeline, ledger: MemoryLedger, after: bool
) -> None:
    for dies_at in range(1, 50):
        world = MemoryWorld()
        first = arrive(world, pipeline, *NAMES)
        ledger.files.clear()
        end(world, ledger, first)
        archived = world.uris("archive")
        try:
            replayed(Interrupted(world.store, dies_at, after), ledger, pipeline, first.entry.batch_id)
        except PowerCutError:
            retried = replayed(
                world.store, ledger, pipeline, first.entry.batch_id, now=LATER + timedelta(minutes=1)
            )
            assert retried.entry.batch_id == replay_id(retried.entry.files, "run-2")
            assert (retried.files, retried.superseded) == (first.files, ())
            assert world.uris("archive") == archived
            assert len([uri for uri in world.uris("lake") if uri.endswith("manifest.json")]) == 2
            entry = turns.journal_of(world.store).batches[0].entry
            assert (entry.batch_id, entry.claimed_at) == (retried.entry.batch_id, retried.entry.claimed_at)
        else:
            assert dies_at > 8
            return
    raise AssertionError("the claim never came to its end")


def test_an_original_that_goes_once_the_replay_is_open_does_not_pass_for_superseded(
    world: World, pipeline: Pipeline, ledger: MemoryLedger
) -> None:
    """The Spark job stops at it; a replay without it would take its rows out of trusted."""
    first = arrive(world, pipeline, *NAMES)
    end(world, ledger, first)
    opened = 6  # read the journal, look at three originals, look for a manifest, create the journal
    with pytest.raises(PowerCutError):
        replayed(Interrupted(world.store, opened, True), ledger, pipeline, first.entry.batch_id)
    assert OPEN in world.uris("lake")
    world.remove(first.files[0].archive_uri)
    again = replayed(world.store, ledger, pipeline, first.entry.batch_id)
    assert (again.files, again.superseded) == (first.files, ())


def test_a_run_that_is_cleared_after_its_end_opens_the_batch_that_it_made(
    world: World, pipeline: Pipeline, ledger: MemoryLedger
) -> None:
    first = arrive(world, pipeline, *NAMES)
    end(world, ledger, first)
    again = replayed(world.store, ledger, pipeline, first.entry.batch_id)
    end(world, ledger, again)
    newer = parse_pipeline(pipeline.text.replace("1.0.0", "2.0.0"), "here")
    cleared = replayed(world.store, ledger, newer, first.entry.batch_id, now=LATER + timedelta(days=1))
    assert cleared == again
    # The ledger finds a batch by its id and its claim: another time would make a second row of it.
    assert [batch.entry for batch in turns.journal_of(world.store).batches] == [again.entry]


@pytest.mark.parametrize(
    ("content", "found"),
    [(None, "found none; 1 of 3 files"), (b"price_quote/X.csv", "found .*17.*; 1 of 3 files")],
    ids=["gone", "changed"],
)
def test_a_replay_claims_nothing_when_the_archive_lacks_an_original(
    world: World, pipeline: Pipeline, ledger: MemoryLedger, content: bytes | None, found: str
) -> None:
    first = arrive(world, pipeline, *NAMES)
    end(world, ledger, first)
    lost = first.files[0]
    world.remove(lost.archive_uri)
    if content is not None:
        world.put(lost.archive_uri, content)
    before = everything(world)
    with pytest.raises(TerminalError, match=found) as raised:
        replayed(world.store, ledger, pipeline, first.entry.batch_id)
    assert str(raised.value).startswith(
        f"{lost.archive_uri}: expected the original of {lost.source.identity}"
    )
    assert everything(world) == before
    others = replayed(world.store, ledger, pipeline, first.files[1].source.identity)
    assert others.files == (first.files[1],)


@pytest.mark.parametrize(
    "asked", ["00" * 16, "gs://landing/price_quote/a.csv#1", "gs://landing/price_quote/unknown.csv#1"]
)
def test_what_the_ledger_does_not_know_is_not_replayed(
    world: World, pipeline: Pipeline, ledger: MemoryLedger, asked: str
) -> None:
    end(world, ledger, arrive(world, pipeline, *NAMES))
    before = everything(world)
    with pytest.raises(
        TerminalError, match=f"expected archived files of price_quote .* for {asked}, found none"
    ):
        replayed(world.store, ledger, pipeline, asked)
    assert everything(world) == before


def test_a_batch_of_another_dataset_is_not_replayed(
    world: World, pipeline: Pipeline, ledger: MemoryLedger
) -> None:
    first = arrive(world, pipeline, *NAMES)
    end(world, ledger, first)
    other = replace(pipeline, dataset="comp_boss")
    with pytest.raises(TerminalError, match="expected archived files of comp_boss"):
        replayed(world.store, ledger, other, first.entry.batch_id)


@pytest.mark.parametrize("conf", [None, {}, {"other": "ab" * 16}])
def test_a_run_that_is_asked_for_no_replay_makes_none(conf: dict[str, Any] | None) -> None:
    assert parse_replay(conf) is None


@pytest.mark.parametrize(
    "asked",
    [
        None,
        "",
        7,
        ["ab" * 16],
        "ab" * 15,
        "AB" * 16,
        "ab" * 16 + "\n",
        "gs://landing/price_quote/a.csv",
        "gs://landing/price_quote/a.csv#",
        "gs://landing/price_quote/a.csv#x",
        "gs://landing/price_quote/a.csv#-1",
        "gs://landing/price_quote/a.csv#" + "9" * 19,  # no INT64 holds it
        "gs://landing#1",
        "landing/price_quote/a.csv#1",
    ],
)
def test_what_is_neither_a_batch_nor_a_file_is_not_replayed(asked: object) -> None:
    with pytest.raises(TerminalError, match=r"32 hex digits\) or gs://bucket/name#generation, found "):
        parse_replay({"replay": asked})


def test_a_name_may_hold_what_divides_it_from_its_generation() -> None:
    assert parse_replay({"replay": "gs://landing/price_quote/ä#7\n?.csv#12"}) == Replay(
        "gs://landing/price_quote/ä#7\n?.csv#12", None, "gs://landing/price_quote/ä#7\n?.csv", 12
    )


def tokenising(pipeline: Pipeline) -> Pipeline:
    """The contract with a column that is tokenised."""
    document = json.loads(pipeline.text)
    document["columns"].append({"name": "tax_id", "type": "STRING", "protection": {"method": "tokenise"}})
    return parse_pipeline(json.dumps(document), "here")


def test_a_replay_makes_its_tokens_with_the_key_of_today_or_not_at_all(
    world: World, pipeline: Pipeline, ledger: MemoryLedger
) -> None:
    old, new = (f"projects/p/secrets/s/versions/{version}" for version in (1, 2))
    contract = tokenising(pipeline)
    first = arrive(world, contract, *NAMES, token_key=old)
    end(world, ledger, first)
    before = everything(world)
    with pytest.raises(TerminalError, match=r"LANDFALL_TOKEN_KEY .* price_quote .* found it not set"):
        replayed(world.store, ledger, contract, first.entry.batch_id)
    assert everything(world) == before
    again = replayed(world.store, ledger, contract, first.entry.batch_id, token_key=new)
    assert (first.token_key, again.token_key) == (old, new)
    manifest = f"{folder_uri('lake', 'price_quote', again.entry.batch_id)}/manifest.json"
    assert json.loads(world.content(manifest))["token_key"] == new


class TaskInstance:
    """Airflow's answers within one run."""

    dag_id, start_date = "ingest_price_quote", LATER

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id

    def get_dr_count(self, dag_id: str, states: list[str]) -> int:
        return 1

    def get_task_breadcrumbs(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        return [{"task_id": "csv_to_parquet", "state": "failed", "duration": 1.0}]

    def xcom_pull(self, task_ids: str, key: str) -> Any:
        return None


@pytest.fixture
def memory() -> MemoryWorld:
    return MemoryWorld()


@pytest.fixture
def tasks(memory: MemoryWorld, ledger: MemoryLedger, monkeypatch: pytest.MonkeyPatch) -> Any:
    from landfall_dags import store, tasks, warehouse

    monkeypatch.setattr(store, "connect", lambda: memory.store)
    monkeypatch.setattr(warehouse, "connect", lambda _: ledger)
    return tasks


def read_manifest(world: World, batch: dict[str, Any]) -> Manifest:
    where = f"{batch['folder_uri']}/manifest.json"
    return parse_manifest(world.content(where).decode(), where)


def ask_again(settings: Settings, batch: dict[str, Any], run: str) -> Any:
    from airflow.sdk.exceptions import DagRunTriggerException

    from landfall_dags.ask_again import AskAgainOperator

    operator = AskAgainOperator(
        task_id="ask_again", dataset="price_quote", settings=settings, postponed=batch["postponed"]
    )
    with pytest.raises(DagRunTriggerException) as raised:
        operator.execute({"ti": TaskInstance(run), "run_id": run})
    return raised.value


def test_a_replay_that_finds_a_batch_open_finishes_it_and_comes_in_the_run_it_asks_for(
    tasks: Any, memory: MemoryWorld, pipeline: Pipeline, ledger: MemoryLedger, settings: Settings
) -> None:
    first = arrive(memory, pipeline, NAMES[0])
    end(memory, ledger, first)
    left = arrive(memory, pipeline, NAMES[1])
    memory.put(f"gs://landing/{NAMES[2]}", b"pending")
    conf = {"replay": first.entry.batch_id}

    finished = tasks.claim_batch(settings, pipeline, "run-2", conf)["batch"]
    assert read_manifest(memory, finished) == left
    assert finished == tasks.claim_batch(settings, pipeline, "run-2", conf)["batch"], "a retry does the same"
    end(memory, ledger, left)
    asked = ask_again(settings, finished, "run-2")
    assert (asked.trigger_dag_id, asked.conf, asked.logical_date) == ("ingest_price_quote", conf, None)

    batch = tasks.claim_batch(settings, pipeline, asked.dag_run_id, asked.conf)["batch"]
    again = read_manifest(memory, batch)
    assert (again.files, again.entry.replay, batch["postponed"]) == (first.files, first.entry.batch_id, "")
    assert memory.uris("landing") == [f"gs://landing/{NAMES[2]}"]


def test_a_replay_that_another_run_left_open_is_finished_and_the_own_one_is_asked_for(
    tasks: Any, memory: MemoryWorld, pipeline: Pipeline, ledger: MemoryLedger, settings: Settings
) -> None:
    """Even of the same files: what the other run claimed may be of an older contract."""
    first = arrive(memory, pipeline, NAMES[0])
    end(memory, ledger, first)
    conf = {"replay": first.entry.batch_id}
    left = tasks.claim_batch(settings, pipeline, "run-2", conf)["batch"]
    taken_up = tasks.claim_batch(settings, pipeline, "run-3", conf)["batch"]
    assert (taken_up["batch_id"], taken_up["postponed"]) == (left["batch_id"], first.entry.batch_id)
    assert ask_again(settings, taken_up, "run-3").conf == conf


def test_a_replay_that_is_cleared_and_fails_makes_no_second_batch_of_the_ledger(
    tasks: Any, memory: MemoryWorld, pipeline: Pipeline, ledger: MemoryLedger, settings: Settings
) -> None:
    first = arrive(memory, pipeline, NAMES[0])
    end(memory, ledger, first)
    conf = {"replay": first.entry.batch_id}
    recorded = []
    for _ in range(2):
        batch = tasks.claim_batch(settings, pipeline, "run-2", conf)["batch"]
        tasks.record_failure(settings, pipeline, batch, None, {"ti": TaskInstance("run-2")})
        recorded.append([key for key in ledger.batches if key[-1] == batch["batch_id"]])
        end(memory, ledger, read_manifest(memory, batch))
    assert recorded[0] == recorded[1]
    assert len(recorded[0]) == 1


def test_without_the_key_of_its_tokens_a_replay_fails_for_good(
    tasks: Any, memory: MemoryWorld, pipeline: Pipeline, ledger: MemoryLedger, settings: Settings
) -> None:
    from airflow.sdk.exceptions import AirflowFailException

    first = arrive(memory, pipeline, NAMES[0])
    end(memory, ledger, first)
    before = everything(memory)
    with pytest.raises(AirflowFailException, match="LANDFALL_TOKEN_KEY"):
        tasks.claim_batch(settings, tokenising(pipeline), "run-2", {"replay": first.entry.batch_id})
    assert everything(memory) == before
    assert tasks.claim_batch(settings, pipeline, "run-2", {"replay": first.entry.batch_id})


class CalledError(Exception):
    """Stands for BigQuery: carries the query that it was given."""


def call(manifest: Manifest, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the task of a batch, as Airflow has rendered it, asks BigQuery."""
    from landfall_dags.load import call_configuration
    from landfall_dags.operators import CallTrustedOperator

    def give(operator: Any, client: Any, job_id: str) -> None:
        raise CalledError(operator.configuration["query"])

    monkeypatch.setattr(CallTrustedOperator, "_connect", lambda _: None)
    monkeypatch.setattr(CallTrustedOperator, "_call", give)
    monkeypatch.setattr(CallTrustedOperator, "_find", lambda *_: None)
    batch = manifest.entry.batch_id
    operator = CallTrustedOperator(
        task_id="call_trusted",
        replaces=str(manifest.entry.replay is not None),
        replay_procedure="ops.sp_replay_price_quote",
        manifest_uri=f"{folder_uri('lake', 'price_quote', batch)}/manifest.json",
        configuration=call_configuration(
            "ops.sp_trusted_price_quote", batch, manifest.entry.arrived_on, "3", {}
        ),
    )
    with pytest.raises(CalledError) as raised:
        operator.execute({})
    query: dict[str, Any] = raised.value.args[0]
    return query


@pytest.mark.usefixtures("tasks")
def test_a_batch_comes_to_trusted_by_the_normal_procedure_and_a_replay_by_its_own_with_every_file(
    memory: MemoryWorld, pipeline: Pipeline, ledger: MemoryLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = arrive(memory, pipeline, *NAMES)
    normal = call(first, monkeypatch)
    assert normal["query"] == "CALL ops.sp_trusted_price_quote(@batch_id, @arrived_on, @expected_rows)"
    assert [parameter["name"] for parameter in normal["queryParameters"]] == [
        "batch_id",
        "arrived_on",
        "expected_rows",
    ]
    end(memory, ledger, first)
    again = replayed(memory.store, ledger, pipeline, first.entry.batch_id)
    query = call(again, monkeypatch)
    assert query["query"] == (
        "CALL ops.sp_replay_price_quote(@batch_id, @arrived_on, @expected_rows, @identities)"
    )
    values = {parameter["name"]: parameter["parameterValue"] for parameter in query["queryParameters"]}
    assert values["batch_id"] == {"value": again.entry.batch_id}
    assert values["arrived_on"] == {"value": "2025-12-21"}
    assert values["identities"] == {"arrayValues": [{"value": file.source.identity} for file in first.files]}


@pytest.mark.usefixtures("tasks")
def test_a_batch_that_is_closed_is_not_called_for_again(
    memory: MemoryWorld, pipeline: Pipeline, ledger: MemoryLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its call would bring back the keys that a replay of its files has taken out of trusted."""
    from airflow.sdk.exceptions import AirflowFailException

    first = arrive(memory, pipeline, *NAMES)
    end(memory, ledger, first)
    with pytest.raises(AirflowFailException, match="expected the batch to be open in the journal"):
        call(first, monkeypatch)
    replayed(memory.store, ledger, pipeline, first.entry.batch_id)
    with pytest.raises(AirflowFailException, match="expected the batch to be open in the journal"):
        call(first, monkeypatch)
