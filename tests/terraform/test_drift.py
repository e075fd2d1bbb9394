"""The tables, views and procedures of the local cloud are those that Terraform would make in its place."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlglot
from google.cloud import bigquery

from tests.bigquery.world import LOCATION, start
from tests.terraform.plan import Values
from tests.terraform.workspace import LOCAL, ROOT, Terraform

PROJECT = json.loads((ROOT / "localcloud" / "local.tfvars.json").read_text())["project"]
BLOCKS = (
    *("google_bigquery_dataset.layer", "google_bigquery_routine.procedure"),
    *(
        f"google_bigquery_table.{name}"
        for name in (
            "raw",
            "trusted",
            "rejected_rows",
            "ledger",
            "live",
            "ops_view",
            "mart",
        )
    ),
)

# What Terraform makes and the local cloud does not, each with the reason; nothing else may differ.
DIFFERENCES = {
    "policyTags": "access is not checked locally, so columns have no policy tags",
    "table_constraints": "the local BigQuery keeps no primary keys",
    "view description": "the local BigQuery forgets the description of a view that was made in SQL",
    "view columns": "the local cloud makes views in SQL, which says nothing of what a column means",
    "view labels": "the local cloud makes views in SQL, which says nothing of labels",
    "procedure description": "the local BigQuery takes no OPTIONS of a procedure",
}

Resources = dict[str, Values]


@pytest.fixture(scope="module")
def applied(terraform: Terraform) -> Resources:
    """What Terraform made, by address: applied, for the schema of a tagged column is known no sooner."""
    if not terraform.offline:
        pytest.skip("applying without a cloud needs the stub providers of terraform-offline: set TERRAFORM")
    workspace = terraform.copy("drift")
    targets = [f"-target={block}" for block in BLOCKS]
    variables = f"-var-file={workspace.var_file(LOCAL)}"
    workspace.run("apply", "-auto-approve", "-input=false", "-no-color", variables, *targets, check=True)
    state = json.loads(workspace.run("show", "-json", check=True).stdout)
    resources = state["values"]["root_module"]["resources"]
    return {one["address"]: one["values"] for one in resources if one["address"].startswith(BLOCKS)}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[bigquery.Client]:
    """A local BigQuery with what `landfall up` puts into it."""
    with start(tmp_path_factory.mktemp("drift")) as running:
        yield running.client


def tables(resources: Resources) -> dict[str, Values]:
    """The tables and views by their names in SQL."""
    return {
        f"{values['dataset_id']}.{values['table_id']}": values
        for address, values in resources.items()
        if address.startswith("google_bigquery_table.")
    }


def test_the_datasets_are_the_same(applied: Resources, client: bigquery.Client) -> None:
    made = {
        dataset.dataset_id: (dataset.location, dataset.description)
        for dataset in (client.get_dataset(found.reference) for found in client.list_datasets())
    }
    assert made == {
        values["dataset_id"]: (values["location"], values["description"])
        for address, values in applied.items()
        if address.startswith("google_bigquery_dataset.")
    }
    assert {location for location, _ in made.values()} == {LOCATION}


def test_the_tables_and_views_are_the_same(applied: Resources, client: bigquery.Client) -> None:
    made = {
        f"{table.dataset_id}.{table.table_id}": client.get_table(table.reference)
        for dataset in client.list_datasets()
        for table in client.list_tables(dataset.reference)
    }
    expected = tables(applied)
    assert set(made) == set(expected)
    assert len(made) > len(list((ROOT / "bigquery" / "datasets").glob("*/contract.yaml"))) * 4
    for name, table in made.items():
        assert (name, told(table)) == (name, wanted(expected[name]))


def told(table: bigquery.Table) -> dict[str, Any]:
    """What the local BigQuery says of a table or a view."""
    if table.table_type == "VIEW":
        return {"query": normalised(table.view_query)}
    partitioning = table.time_partitioning
    return {
        "schema": [field.to_api_repr() for field in table.schema],
        "description": table.description,
        "labels": table.labels,
        "clustering": table.clustering_fields,
        "filter": bool(table.require_partition_filter),
        "partitioning": partitioning
        and (partitioning.field, partitioning.type_, partitioning.expiration_ms or 0),
    }


def wanted(values: Values) -> dict[str, Any]:
    """What Terraform says of it, less the DIFFERENCES."""
    if values["view"]:
        return {"query": normalised(values["view"][0]["query"])}
    schema = json.loads(values["schema"])
    for column in schema:
        column.pop("policyTags", None)
    partitioning = next(iter(values["time_partitioning"]), None)
    return {
        "schema": schema,
        "description": values["description"],
        "labels": values["labels"] or {},
        "clustering": values["clustering"] or None,
        "filter": bool(values["require_partition_filter"]),
        "partitioning": partitioning
        and (partitioning["field"], partitioning["type"], partitioning["expiration_ms"]),
    }


def normalised(sql: str) -> str:
    """The query without its project, comments and spaces."""
    text = sql.replace(f"`{PROJECT}`.", "")
    return sqlglot.parse_one(text, read="bigquery").sql(dialect="bigquery", comments=False)


def test_the_procedures_are_the_same(applied: Resources, client: bigquery.Client) -> None:
    expected = {
        values["routine_id"]: (
            values["dataset_id"],
            [
                (argument["name"], json.loads(argument["data_type"]), argument["argument_kind"])
                for argument in values["arguments"]
            ],
            body(values["definition_body"].replace(f"`{PROJECT}`.", "")),
        )
        for address, values in applied.items()
        if address.startswith("google_bigquery_routine.")
    }
    made = {}
    for dataset in client.list_datasets():
        for listed in client.list_routines(dataset.reference):
            routine = client.get_routine(listed.reference)
            arguments = [argument.to_api_repr() for argument in routine.arguments]
            assert {argument["mode"] for argument in arguments} == {"IN"}
            assert routine.type_ == "PROCEDURE"
            made[listed.routine_id] = (
                dataset.dataset_id,
                [
                    (argument["name"], argument["dataType"], argument["argumentKind"])
                    for argument in arguments
                ],
                body(routine.body),
            )
    assert made == expected


def body(text: str) -> str:
    """The statements of a procedure: the local BigQuery keeps what is between BEGIN and END alone."""
    return re.sub(r"\ABEGIN\n\s+(.*)\nEND\Z", r"\1", text, flags=re.DOTALL).strip()


def test_every_difference_is_one(applied: Resources, client: bigquery.Client) -> None:
    """A difference that is gone is to be taken off the list."""
    raw = tables(applied)["raw.bank_statement"]
    view = client.get_table("raw.comp_boss_live")
    mart = tables(applied)["marts.report_total"]
    routine = client.get_routine("ops.sp_trusted_comp_boss")
    trusted = client.get_table("trusted.comp_boss")
    differs: dict[str, Callable[[], bool]] = {
        "policyTags": lambda: (
            "policyTags" in raw["schema"] and tagless(client.get_table("raw.bank_statement"))
        ),
        "table_constraints": lambda: trusted.table_constraints is None,
        "view description": lambda: view.description is None,
        "view columns": lambda: (
            json.loads(mart["schema"])[0]["description"]
            and client.get_table("marts.report_total").schema[0].description is None
        ),
        "view labels": lambda: view.labels == {},
        "procedure description": lambda: routine.description is None,
    }
    assert set(differs) == set(DIFFERENCES)
    assert {name: differ() for name, differ in differs.items()} == dict.fromkeys(DIFFERENCES, True)


def tagless(table: bigquery.Table) -> bool:
    return all(field.policy_tags is None for field in table.schema)
