"""The warehouse of every environment's plan: what the contracts say, from the rendered files, and no more."""

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from bigquery.renderer.__main__ import main as render
from tests.bigquery.front_end import FrontEnd, compiled
from tests.terraform.plan import Plan, Values, instances, key, of_type, planned
from tests.terraform.workspace import ROOT, Terraform, TerraformError

DATASETS = ROOT / "bigquery" / "datasets"
OPS = ROOT / "bigquery" / "ops"
MARTS = ROOT / "bigquery" / "marts"
OPS_VIEWS = (DATASETS / "rejected_rows.sql", *OPS.glob("*.sql"))
LEDGER_MARTS = {"ops_freshness", "ops_volume_by_day", "ops_rejected_share", "ops_cost_by_day"}
CONTRACTS = sorted(path.parent.name for path in DATASETS.glob("*/contract.yaml"))
ENVIRONMENTS = ("dev", "stg", "prod", "local")
DAY_MS = 86_400_000
MEMBERS = {"treasury": ["group:treasury@example.com"], "payments": ["user:ana@example.com"]}
KEY = "projects/keys/locations/us-central1/keyRings/landfall/cryptoKeys/data"

environments = pytest.mark.parametrize("environment", ENVIRONMENTS)


def rendered(dataset: str, file: str) -> Any:
    return json.loads((DATASETS / dataset / file).read_text())


def of(plan: Plan, resource: str) -> dict[str, Values]:
    """The instances of a resource by their keys."""
    return {key(address): values for address, values in instances(plan, resource).items()}


@environments
def test_every_contract_has_its_tables_view_and_procedures(
    environment: str, plans: Mapping[str, Plan]
) -> None:
    plan = plans[environment]
    for name, table in (
        ("raw", "raw.{}"),
        ("trusted", "trusted.{}"),
        ("rejected_rows", "ops.rejected_rows_{}"),
        ("live", "raw.{}_live"),
    ):
        found = of(plan, f"google_bigquery_table.{name}")
        named = {dataset: f"{values['dataset_id']}.{values['table_id']}" for dataset, values in found.items()}
        assert named == {dataset: table.format(dataset) for dataset in CONTRACTS}
    procedures = {f"sp_{what}_{dataset}" for dataset in CONTRACTS for what in ("trusted", "replay")}
    assert set(of(plan, "google_bigquery_routine.procedure")) == procedures
    ledger = of(plan, "google_bigquery_table.ledger")
    assert set(ledger) == set(json.loads((OPS / "tables.json").read_text()))
    views = of(plan, "google_bigquery_table.ops_view")
    named = {name: f"{values['dataset_id']}.{values['table_id']}" for name, values in views.items()}
    assert named == {path.stem: f"ops.{path.stem}" for path in OPS_VIEWS}


@environments
def test_datasets_lie_where_they_should_and_go_only_where_nothing_is_protected(
    environment: str, plans: Mapping[str, Plan]
) -> None:
    variables = plans[environment]["variables"]
    protected = variables["deletion_protection"]["value"]
    datasets = of(plans[environment], "google_bigquery_dataset.layer")
    layers = json.loads((ROOT / "bigquery" / "layers.json").read_text())
    assert {name: values["description"] for name, values in datasets.items()} == layers
    assert {values["location"] for values in datasets.values()} == {variables["bigquery_location"]["value"]}
    assert {values["delete_contents_on_destroy"] for values in datasets.values()} == {not protected}
    tables = [
        values
        for name in ("raw", "trusted", "rejected_rows", "ledger")
        for values in instances(plans[environment], f"google_bigquery_table.{name}").values()
    ]
    assert {values["deletion_protection"] for values in tables} == {protected}
    assert {values["ignore_auto_generated_schema"] for values in tables} == {True}
    assert protected or environment in ("dev", "local")


@environments
def test_tables_are_laid_out_as_the_contracts_say(environment: str, plans: Mapping[str, Plan]) -> None:
    plan = plans[environment]
    raw, trusted, rejected = (
        of(plan, f"google_bigquery_table.{name}") for name in ("raw", "trusted", "rejected_rows")
    )
    for dataset in CONTRACTS:
        pipeline = rendered(dataset, "pipeline.json")
        days = pipeline["retention"]
        assert raw[dataset]["require_partition_filter"] is True
        assert (raw[dataset]["clustering"], rejected[dataset]["clustering"]) == (["_batch_id"], ["batch_id"])
        assert partitions(raw[dataset]) == ("_ingested_at", "DAY", days["raw_days"])
        assert partitions(rejected[dataset]) == ("ingested_at", "DAY", days["rejected_days"])
        (constraints,) = trusted[dataset]["table_constraints"]
        assert constraints["primary_key"] == [{"columns": pipeline["key"]}]
        for values in (raw[dataset], trusted[dataset], rejected[dataset]):
            assert pipeline["description"] in values["description"]
            version = pipeline["contract_version"].replace(".", "-")
            assert values["labels"]["contract_version"] == version
            assert all(re.fullmatch(r"[a-z0-9_-]{1,63}", label) for label in values["labels"].values())
    assert partitions(trusted["price_quote"]) == ("quote_date", "MONTH", None)
    assert trusted["price_quote"]["clustering"] == ["supplier", "tube_assembly_id"]
    assert trusted["comp_boss"]["time_partitioning"] == []


def partitions(table: Values) -> tuple[str, str, int | None]:
    """Column, width and days of a table's partitions."""
    (partitioning,) = table["time_partitioning"]
    days = partitioning["expiration_ms"] // DAY_MS
    return partitioning["field"], partitioning["type"], days or None


@environments
def test_schemas_are_the_rendered_ones(environment: str, plans: Mapping[str, Plan]) -> None:
    found = planned(plans[environment])
    for dataset in CONTRACTS:
        tagged = bool(rendered(dataset, "warehouse.json")["restricted_columns"])
        for layer in ("raw", "trusted"):
            schema = found[f'google_bigquery_table.{layer}["{dataset}"]'].get("schema")
            # Where a column has a policy tag, the whole is known once the tag has its number: test_drift.py.
            if not tagged:
                assert json.loads(schema) == rendered(dataset, f"{layer}.schema.json")
        schema = found[f'google_bigquery_table.rejected_rows["{dataset}"]']["schema"]
        assert json.loads(schema) == json.loads((OPS / "rejected_rows.schema.json").read_text())


@environments
def test_what_the_api_is_given_says_what_the_files_say(environment: str, plans: Mapping[str, Plan]) -> None:
    plan = plans[environment]
    project = plan["variables"]["project"]["value"]
    for dataset in CONTRACTS:
        facts = rendered(dataset, "warehouse.json")
        for procedure in facts["procedures"]:
            name = procedure["name"].removeprefix("ops.")
            routine = of(plan, "google_bigquery_routine.procedure")[name]
            assert statement(DATASETS / dataset / procedure["file"]) == made(routine, project)
        live = of(plan, "google_bigquery_table.live")[dataset]
        assert statement(DATASETS / dataset / "live.sql") == made_view(live, project)
    views = of(plan, "google_bigquery_table.ops_view")
    for path in OPS_VIEWS:
        assert statement(path) == made_view(views[path.stem], project)
    marts = of(plan, "google_bigquery_table.mart")
    assert set(marts) == {path.stem for path in MARTS.glob("*.sql")}
    for name, mart in marts.items():
        assert statement(MARTS / f"{name}.sql") == made_view(mart, project)
        assert json.loads(mart["schema"]) == json.loads((MARTS / f"{name}.schema.json").read_text())


@environments
def test_the_ledger_lets_these_views_in_and_nobody_else(environment: str, plans: Mapping[str, Plan]) -> None:
    """Who reads marts needs no right on ops: there stand names of files, and reasons."""
    plan = plans[environment]
    project = plan["variables"]["project"]["value"]
    access = of_type(plan, "google_bigquery_dataset_access")
    assert {key(address) for address in access} == LEDGER_MARTS
    for address, values in access.items():
        given = {name: value for name, value in values.items() if value}
        assert given == {
            "project": project,
            "dataset_id": "ops",
            "view": [{"project_id": project, "dataset_id": "marts", "table_id": key(address)}],
        }
    # A list of its own on a dataset would take every other access away.
    assert not any(dataset.get("access") for dataset in of_type(plan, "google_bigquery_dataset").values())


def statement(path: Path) -> str:
    """The statement in a file of one, without the comment before it."""
    return re.sub(r"\A(--.*\n)*", "", path.read_text())


def made(routine: Values, project: str) -> str:
    """The statement that would make the procedure that the API is asked for."""
    arguments = ",\n".join(f"  {argument['name']} {sql_type(argument)}" for argument in routine["arguments"])
    head = f"CREATE OR REPLACE PROCEDURE ops.{routine['routine_id']}(\n{arguments}\n)\n"
    return head + routine["definition_body"].replace(f"`{project}`.", "") + ";\n"


def sql_type(argument: Values) -> str:
    kind = json.loads(argument["data_type"])
    if kind["typeKind"] == "ARRAY":
        return f"ARRAY<{kind['arrayElementType']['typeKind']}>"
    return str(kind["typeKind"])


def made_view(view: Values, project: str) -> str:
    (query,) = view["view"]
    assert query["use_legacy_sql"] is False
    text = query["query"].replace(f"`{project}`.", "")
    name = f"{view['dataset_id']}.{view['table_id']}"
    options = f"OPTIONS (\n  description = '{view['description']}'\n)"
    return f"CREATE OR REPLACE VIEW {name}\n{options} AS\n{text};\n"


@pytest.fixture(scope="module")
def front_end_of_project() -> Iterator[type[FrontEnd]]:
    with compiled() as front_end:
        yield front_end


def test_every_table_is_named_with_its_project(
    plans: Mapping[str, Plan], front_end_of_project: type[FrontEnd]
) -> None:
    """The API refuses a view without it; the front end knows the tables here by no shorter name."""
    plan = plans["prod"]
    tables: dict[str, Any] = {}
    for dataset in CONTRACTS:
        for layer in ("raw", "trusted"):
            tables[f"{layer}.{dataset}"] = rendered(dataset, f"{layer}.schema.json")
        tables[f"ops.rejected_rows_{dataset}"] = json.loads((OPS / "rejected_rows.schema.json").read_text())
    for name in json.loads((OPS / "tables.json").read_text()):
        tables[f"ops.{name}"] = json.loads((OPS / f"{name}.schema.json").read_text())
    front_end = front_end_of_project({f"landfall-prod.{name}": schema for name, schema in tables.items()})

    marts = instances(plan, "google_bigquery_table.mart").values()
    views = [
        *instances(plan, "google_bigquery_table.live").values(),
        *instances(plan, "google_bigquery_table.ops_view").values(),
        *marts,
    ]
    for view in views:
        front_end.analyse(view["view"][0]["query"])
    routines = instances(plan, "google_bigquery_routine.procedure").values()
    assert len(views) + len(routines) == 3 * len(CONTRACTS) + len(OPS_VIEWS) + len(marts)
    for routine in routines:
        front_end.analyse(made(routine, "no project at all"))
    with pytest.raises(Exception, match=r"raw\.comp_boss"):
        front_end.analyse(
            made(of(plan, "google_bigquery_routine.procedure")["sp_trusted_comp_boss"], "landfall-prod")
        )


@environments
def test_without_members_only_the_pipeline_is_let_through(
    environment: str, plans: Mapping[str, Plan]
) -> None:
    plan = plans[environment]
    project = plan["variables"]["project"]["value"]
    composer = f"serviceAccount:landfall-composer@{project}.iam.gserviceaccount.com"
    restricted = {
        dataset for dataset in CONTRACTS if rendered(dataset, "warehouse.json")["restricted_columns"]
    }
    assert set(of(plan, "google_data_catalog_policy_tag.restricted")) == restricted == {"bank_statement"}
    readers = of(plan, "google_data_catalog_policy_tag_iam_member.pipeline")
    assert {dataset: grant["member"] for dataset, grant in readers.items()} == {"bank_statement": composer}
    assert readers["bank_statement"]["role"] == "roles/datacatalog.categoryFineGrainedReader"
    policies = of(plan, "google_bigquery_row_access_policy.pipeline")
    assert {dataset: policy["grantees"] for dataset, policy in policies.items()} == {
        "bank_statement": [composer]
    }
    assert policies["bank_statement"]["filter_predicate"] == "TRUE"
    for resource in (
        "google_bigquery_row_access_policy.role",
        "google_data_catalog_policy_tag_iam_member.role",
        "google_bigquery_table_iam_member.role",
    ):
        assert of(plan, resource) == {}


def test_the_taxonomy_has_a_name_that_an_organisation_has_once(plans: Mapping[str, Plan]) -> None:
    names = {
        values["display_name"]
        for environment in ENVIRONMENTS
        for values in instances(plans[environment], "google_data_catalog_taxonomy.columns").values()
    }
    assert len(names) == len(ENVIRONMENTS)


@pytest.fixture(scope="module")
def governed(plans: Mapping[str, Plan], terraform: Terraform) -> Plan:
    """An environment with people in the roles of the contracts, and a key of its own."""
    return terraform.copy("governed").plan(
        "stg", f"-var=role_members={json.dumps(MEMBERS)}", f"-var=kms_key={KEY}"
    )


def test_members_of_a_role_read_its_rows_and_its_columns(governed: Plan) -> None:
    policies = of(governed, "google_bigquery_row_access_policy.role")
    assert {name: (policy["filter_predicate"], policy["grantees"]) for name, policy in policies.items()} == {
        "bank_statement treasury": ("TRUE", ["group:treasury@example.com"]),
        "bank_statement payments": ("canal IS NOT NULL", ["user:ana@example.com"]),
    }
    assert {(policy["dataset_id"], policy["table_id"]) for policy in policies.values()} == {
        ("trusted", "bank_statement")
    }
    tags = of(governed, "google_data_catalog_policy_tag_iam_member.role").values()
    assert [tag["member"] for tag in tags] == ["group:treasury@example.com"]
    tables = of(governed, "google_bigquery_table_iam_member.role").values()
    assert {(grant["table_id"], grant["role"], grant["member"]) for grant in tables} == {
        ("bank_statement", "roles/bigquery.dataViewer", "group:treasury@example.com"),
        ("bank_statement", "roles/bigquery.dataViewer", "user:ana@example.com"),
    }


def test_a_key_encrypts_every_dataset_and_table(governed: Plan) -> None:
    for dataset in instances(governed, "google_bigquery_dataset.layer").values():
        assert dataset["default_encryption_configuration"] == [{"kms_key_name": KEY}]
    for name in ("raw", "trusted", "rejected_rows", "ledger"):
        for table in instances(governed, f"google_bigquery_table.{name}").values():
            (encryption,) = table["encryption_configuration"]
            assert encryption["kms_key_name"] == KEY


def test_a_role_that_no_contract_has_and_a_member_that_is_everyone_are_refused(
    plans: Mapping[str, Plan], terraform: Terraform
) -> None:
    members = {"tresury": ["allAuthenticatedUsers"], "payments": ["ana@example.com"]}
    with pytest.raises(TerraformError) as refusal:
        terraform.copy("refused").plan("dev", f"-var=role_members={json.dumps(members)}")
    told = " ".join(str(refusal.value).split())
    assert "Expected roles of the contracts (treasury, payments), found payments, tresury." in told
    assert "everyone (allUsers, allAuthenticatedUsers) is none." in told


MART = """\
-- What the company pays for transfers.
CREATE OR REPLACE VIEW marts.fees
OPTIONS (
  description = 'Fees of the banks by month.'
) AS
SELECT DATE_TRUNC(data_lancamento, MONTH) AS month, SUM(valor_tarifa) AS fees
FROM trusted.bank_statement
GROUP BY month;
"""
MONTHS = [
    {"name": "month", "type": "DATE", "mode": "NULLABLE", "description": "First day of the month."},
    {"name": "fees", "type": "NUMERIC", "mode": "NULLABLE", "description": "Fees of the month."},
]


def add_mart(marts: Path, name: str, text: str) -> None:
    (marts / f"{name}.sql").write_text(text)
    (marts / f"{name}.schema.json").write_text(json.dumps(MONTHS))


def test_a_dataset_and_a_mart_are_added_by_their_files_alone(
    plans: Mapping[str, Plan], terraform: Terraform
) -> None:
    workspace = terraform.copy("added")
    datasets = workspace.root / "bigquery" / "datasets"
    shutil.copytree(datasets / "comp_boss", datasets / "rivets")
    contract = datasets / "rivets" / "contract.yaml"
    contract.write_text(contract.read_text().replace("comp_boss", "rivets").replace("comp-boss", "rivets"))
    marts = workspace.root / "bigquery" / "marts"
    add_mart(marts, "fees", MART)
    ledger = MART.replace("marts.fees", "marts.late").replace("trusted.bank_statement", "ops.files")
    add_mart(marts, "late", ledger)
    assert render(["--datasets", str(datasets)]) == 0

    before, after = planned(plans["dev"]), planned(workspace.plan("dev"))

    assert set(before) <= set(after)
    added = {address for address in after if address not in before}
    assert {address for address in added if address.startswith("google_bigquery")} == {
        'google_bigquery_table.raw["rivets"]',
        'google_bigquery_table.trusted["rivets"]',
        'google_bigquery_table.rejected_rows["rivets"]',
        'google_bigquery_table.live["rivets"]',
        'google_bigquery_routine.procedure["sp_trusted_rivets"]',
        'google_bigquery_routine.procedure["sp_replay_rivets"]',
        'google_bigquery_table.mart["fees"]',
        'google_bigquery_table.mart["late"]',
        'google_bigquery_dataset_access.ledger["late"]',
    }
    names = ("rivets", "fees", "late")
    assert [address for address in added if not any(name in address for name in names)] == []
    changed = {address for address in before if "bigquery" in address and before[address] != after[address]}
    assert changed == {'google_bigquery_table.ops_view["rejected_rows"]'}
    mart = after['google_bigquery_table.mart["fees"]']
    assert (mart["dataset_id"], mart["table_id"]) == ("marts", "fees")
    assert "FROM `landfall-dev`.trusted.bank_statement" in mart["view"][0]["query"]


def test_a_mart_of_another_name_or_of_more_than_it_may_read_is_refused(
    plans: Mapping[str, Plan], terraform: Terraform
) -> None:
    workspace = terraform.copy("marts")
    marts = workspace.root / "bigquery" / "marts"
    add_mart(marts, "costs", MART)
    for name, table in {
        "early": "raw.bank_statement",
        "why": "ops.rejected_rows",
        "over": "marts.fees",
    }.items():
        text = MART.replace("marts.fees", f"marts.{name}").replace("trusted.bank_statement", table)
        add_mart(marts, name, text)
    with pytest.raises(TerraformError) as refusal:
        workspace.plan("dev")
    told = " ".join(str(refusal.value).split())
    assert "Expected bigquery/marts/costs.sql to make marts.costs, found marts.fees: rename" in told
    allowed = "to read trusted, ops.batches and ops.files alone"
    assert f"Expected bigquery/marts/early.sql {allowed}, found raw.bank_statement:" in told
    assert f"Expected bigquery/marts/why.sql {allowed}, found ops.rejected_rows:" in told
    assert f"Expected bigquery/marts/over.sql {allowed}, found marts.fees:" in told
