import pytest

from landfall_dags.load import (
    JobState,
    call_configuration,
    first_unspent,
    load_configuration,
    replay_configuration,
    with_schema,
)


@pytest.mark.parametrize(
    ("known", "job_id", "state"),
    [
        ([], "stem_1", JobState.ABSENT),
        (["live"], "stem_1", JobState.LIVE),
        (["done"], "stem_1", JobState.DONE),
        (["failed"], "stem_2", JobState.ABSENT),
        (["failed", "failed", "live"], "stem_3", JobState.LIVE),
        (["failed", "done"], "stem_2", JobState.DONE),
    ],
)
def test_only_a_failed_job_spends_its_id(known: list[str], job_id: str, state: JobState) -> None:
    jobs = {f"stem_{attempt}": JobState(found) for attempt, found in enumerate(known, 1)}
    assert first_unspent("stem", lambda name: jobs.get(name, JobState.ABSENT)) == (job_id, state)


def test_a_load_appends_to_a_table_that_must_exist() -> None:
    load = load_configuration("p", "raw.price_quote", "gs://lake/x/accepted/*.parquet", {"a": "b"})["load"]
    assert load["destinationTable"] == {"projectId": "p", "datasetId": "raw", "tableId": "price_quote"}
    assert (load["writeDisposition"], load["createDisposition"]) == ("WRITE_APPEND", "CREATE_NEVER")
    assert load["autodetect"] is False


def test_a_call_names_its_parameters() -> None:
    query = call_configuration("ops.sp_trusted_x", "ab", "2025-11-21", "3", {})["query"]
    assert query["query"] == "CALL ops.sp_trusted_x(@batch_id, @arrived_on, @expected_rows)"
    assert query["useLegacySql"] is False
    values = {
        p["name"]: (p["parameterType"]["type"], p["parameterValue"]["value"])
        for p in query["queryParameters"]
    }
    assert values == {
        "batch_id": ("STRING", "ab"),
        "arrived_on": ("DATE", "2025-11-21"),
        "expected_rows": ("INT64", "3"),
    }


def test_a_load_names_no_policy_tag() -> None:
    load = load_configuration("p", "raw.price_quote", "gs://lake/x/accepted/*.parquet", {"a": "b"})
    tagged = {
        "name": "id",
        "type": "STRING",
        "policyTags": {"names": ["projects/p/taxonomies/1/policyTags/2"]},
    }
    assert with_schema(load, [tagged], [])["load"]["schema"]["fields"] == [{"name": "id", "type": "STRING"}]


def test_a_load_adds_the_columns_that_the_table_does_not_have() -> None:
    load = load_configuration("p", "raw.price_quote", "gs://lake/x/accepted/*.parquet", {"a": "b"})
    fields = [{"name": "id", "type": "STRING", "mode": "REQUIRED"}, {"name": "Colour", "type": "STRING"}]
    grown = with_schema(load, fields, ["COLOUR", "weight"])["load"]
    assert grown["schema"]["fields"] == [*fields, {"name": "weight", "type": "STRING", "mode": "NULLABLE"}]
    assert grown["schemaUpdateOptions"] == ["ALLOW_FIELD_ADDITION"]
    same = with_schema(load, fields, ["COLOUR"])["load"]
    assert same["schema"]["fields"] == fields
    assert "schemaUpdateOptions" not in same


def test_a_replay_is_called_with_the_files_that_it_replaces() -> None:
    call = call_configuration("ops.sp_trusted_x", "ab", "2025-11-21", "3", {"a": "b"})
    replay = replay_configuration(call, "ops.sp_replay_x", ["gs://landing/x/a.csv#7"])
    assert replay["query"]["query"] == (
        "CALL ops.sp_replay_x(@batch_id, @arrived_on, @expected_rows, @identities)"
    )
    *shared, identities = replay["query"]["queryParameters"]
    assert shared == call["query"]["queryParameters"]
    assert identities["parameterValue"] == {"arrayValues": [{"value": "gs://landing/x/a.csv#7"}]}
    assert replay["labels"] == {"a": "b"}
