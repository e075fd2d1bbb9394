"""Who may do what in an environment: what docs/security.md says, and not more than the code calls."""

import ast
import re
from collections.abc import Mapping

import pytest

from landfall_dags.election import attempt_uri, elected_uri
from landfall_dags.journal import folder_uri, open_uri
from tests.terraform import iam_table
from tests.terraform.iam import Grant, custom_roles, grants, reasons
from tests.terraform.plan import Plan, of_type, planned, references
from tests.terraform.workspace import ENVIRONMENTS, LOCAL, ROOT, Terraform, TerraformError

READS_OBJECTS = {"roles/storage.objectViewer", "roles/storage.objectUser", "landfall_file_taker"}
WRITES_OBJECTS = {"roles/storage.objectUser", "roles/storage.objectCreator"}
DELETES_OBJECTS = {"roles/storage.objectUser", "landfall_file_taker"}
# A role on the project is one on everything in it, so each has its reason in docs/security.md.
ON_THE_PROJECT = {
    ("function", "landfall_airflow_caller"),
    ("trigger", "roles/eventarc.eventReceiver"),
    ("build", "roles/logging.logWriter"),
    ("build", "roles/storage.objectViewer"),
    ("composer", "roles/composer.worker"),
    ("composer", "roles/bigquery.jobUser"),
    ("composer", "landfall_cluster_maker"),
    ("composer", "roles/datalineage.producer"),
    ("dataproc", "landfall_cluster_machine"),
    ("reader", "roles/bigquery.jobUser"),
    ("reader", "roles/datalineage.viewer"),
    ("gs-project-accounts", "roles/pubsub.publisher"),
}
OF_PEOPLE_ON_THE_PROJECT = {
    ("readers", "roles/bigquery.jobUser"),
    ("operators", "roles/bigquery.jobUser"),
    ("operators", "roles/composer.user"),
    ("operators", "roles/dataproc.viewer"),
    ("operators", "roles/logging.viewer"),
    ("operators", "roles/monitoring.viewer"),
}


@pytest.fixture(scope="module")
def everybody(terraform: Terraform, plans: Mapping[str, Plan]) -> Plan:
    """A plan in which every list of people has a member, and a key is given."""
    assert plans  # skips where nothing can be planned
    return terraform.copy("iam").plan("dev", *iam_table.arguments())


def who(grant: Grant) -> str:
    """The bundle's account, the list of people or the agent of Google's that a grant is for."""
    if grant.account:
        return grant.account
    name, _, domain = grant.member.partition(":")[2].partition("@")
    return name if domain == "example.com" else domain.removesuffix(".iam.gserviceaccount.com")


def on(plan: Plan, place: str, name: str = "", roles: set[str] | None = None) -> set[str]:
    return {
        who(grant)
        for grant in grants(plan)
        if (grant.place, grant.name) == (place, name) and (roles is None or grant.role in roles)
    }


def test_the_tables_of_the_page_are_those_of_the_plan(everybody: Plan) -> None:
    page = iam_table.PAGE.read_text()
    assert page == iam_table.write(page, everybody), (
        "docs/security.md is not what the plan says: make iam-table"
    )


def test_every_grant_says_why(everybody: Plan) -> None:
    why = reasons(everybody)
    assert {grant.address for grant in grants(everybody)} == why.keys()
    assert all(len(reason) > 10 for reason in why.values())


@pytest.mark.parametrize("environment", (*ENVIRONMENTS, LOCAL))
def test_no_more_is_granted_on_the_project_than_what_is_listed(
    plans: Mapping[str, Plan], environment: str
) -> None:
    found = {(who(grant), grant.role) for grant in grants(plans[environment]) if grant.place == "project"}
    assert found == ON_THE_PROJECT


def test_nor_to_people(everybody: Plan) -> None:
    found = {(who(grant), grant.role) for grant in grants(everybody) if grant.place == "project"}
    assert found == ON_THE_PROJECT | OF_PEOPLE_ON_THE_PROJECT


def test_no_account_reaches_the_objects_of_all_buckets_but_composers(everybody: Plan) -> None:
    wide = {
        who(grant)
        for grant in grants(everybody)
        if grant.place == "project" and "storage" in grant.role and grant.condition is None
    }
    assert wide == set()
    for role in custom_roles(everybody).values():
        assert not {one for one in role["permissions"] if one.startswith("storage.")} or role["role_id"] in (
            "landfall_file_taker",
            "landfall_name_lister",
        )


@pytest.mark.parametrize("environment", (*ENVIRONMENTS, LOCAL))
def test_nobody_is_everybody_and_no_account_is_googles_default(
    plans: Mapping[str, Plan], environment: str
) -> None:
    for grant in grants(plans[environment]):
        kind, _, name = grant.member.partition(":")
        assert kind == "serviceAccount", grant
        assert not name.endswith(
            ("-compute@developer.gserviceaccount.com", "@appspot.gserviceaccount.com")
        ), grant


def test_every_account_runs_something_and_only_the_listed_ones_exist(plans: Mapping[str, Plan]) -> None:
    made = {values["account_id"] for values in of_type(plans["prod"], "google_service_account").values()}
    assert made == {f"landfall-{name}" for name in iam_table.ACCOUNTS}
    assert {grant.account for grant in grants(plans["prod"])} - {None} == set(iam_table.ACCOUNTS)


def test_originals_are_read_by_the_pipeline_and_the_listed_people(everybody: Plan) -> None:
    assert on(everybody, "bucket", "landing", READS_OBJECTS) == {"composer", "original_readers"}
    assert on(everybody, "bucket", "archive", READS_OBJECTS) == {"composer", "dataproc", "original_readers"}
    assert on(everybody, "bucket", "rejected", READS_OBJECTS) == {"composer", "original_readers"}


def test_a_sender_only_sends(everybody: Plan) -> None:
    sent = [(grant.role, grant.place, grant.name) for grant in grants(everybody) if who(grant) == "droppers"]
    assert sent == [("roles/storage.objectCreator", "bucket", "landing")]
    assert on(everybody, "bucket", "landing", WRITES_OBJECTS) == {"droppers"}


def test_nobody_but_the_pipeline_changes_what_is_kept(everybody: Plan) -> None:
    for bucket in ("landing", "archive", "rejected"):
        assert on(everybody, "bucket", bucket, DELETES_OBJECTS) == {"composer"}
    assert on(everybody, "bucket", "lake", DELETES_OBJECTS) == {"composer", "dataproc"}
    for bucket in ("code", "function-source", "composer"):
        assert on(everybody, "bucket", bucket, WRITES_OBJECTS | DELETES_OBJECTS) == set()


def test_the_job_writes_below_its_attempts_alone(everybody: Plan) -> None:
    (grant,) = (
        one
        for one in grants(everybody)
        if who(one) == "dataproc" and one.name == "lake" and "User" in one.role
    )
    assert grant.condition is not None
    lake = "landfall-dev-lake"
    for dataset in ("bank_statement", "attempts"):
        folder = folder_uri(lake, dataset, "0" * 32)
        written = attempt_uri(folder, "landfall-job-1").removesuffix("metrics.json")
        for name in (
            "metrics.json",
            "failure.json",
            "accepted/part-00000.parquet",
            "repeats/_temporary/0/_SUCCESS",
        ):
            assert holds(grant.condition, written + name)
        assert not holds(grant.condition, open_uri(lake, dataset))
    folder = folder_uri(lake, "bank_statement", "0" * 32)
    for uri in (
        f"{folder}/manifest.json",
        f"{folder}/pipeline.json",
        elected_uri(folder),
        f"{folder}/attempts",
    ):
        assert not holds(grant.condition, uri)


class Name(str):
    """An object's full name as IAM's conditions have it, with the functions that ours use."""

    def extract(self, template: str) -> str:
        before, after = re.fullmatch(r"(.*)\{[a-z]+\}(.*)", template).groups()  # type: ignore[union-attr]
        found = re.search(f"{re.escape(before)}(.*?){re.escape(after) if after else '$'}", self)
        return found[1] if found else ""

    startsWith = str.startswith  # noqa: N815 the names that IAM gives them
    endsWith = str.endswith  # noqa: N815


def holds(condition: str, uri: str) -> bool:
    bucket, _, name = uri.removeprefix("gs://").partition("/")
    python = condition.replace("&&", "and").replace("||", "or").replace("resource.name", "name")
    python = re.sub(r"!(?!=)", "not ", python)
    return bool(eval(python, {}, {"name": Name(f"projects/_/buckets/{bucket}/objects/{name}")}))  # noqa: S307


def test_only_the_job_reads_the_token_key_and_only_the_trigger_calls_the_function(everybody: Plan) -> None:
    assert on(everybody, "secret", "token-key") == {"dataproc"}
    assert on(everybody, "service", "trigger-ingest") == {"trigger"}


def test_the_control_room_is_opened_by_the_listed_people_alone(
    plans: Mapping[str, Plan], everybody: Plan
) -> None:
    for role in ("roles/run.invoker", "roles/run.viewer"):
        assert on(everybody, "service", "control-room", {role}) == {"control_room_viewers", "operators"}
    assert on(everybody, "service", "control-room") == {"control_room_viewers", "operators"}
    # Where nobody is listed nobody opens it.
    assert on(plans["prod"], "service", "control-room") == set()


def test_only_the_dags_give_out_an_account_and_only_that_of_the_clusters(everybody: Plan) -> None:
    acting = [
        (who(grant), grant.role, grant.name.partition("@")[0])
        for grant in grants(everybody)
        if grant.place == "account" or "serviceAccount" in grant.role
    ]
    assert acting == [("composer", "roles/iam.serviceAccountUser", "landfall-dataproc")]


READS_RESULTS = {
    ("roles/bigquery.jobUser", "project", ""),
    ("roles/bigquery.dataViewer", "dataset", "trusted"),
    ("roles/bigquery.dataViewer", "dataset", "marts"),
}


def test_a_reader_reads_trusted_and_marts_and_nothing_else(everybody: Plan) -> None:
    found = {(one.role, one.place, one.name) for one in grants(everybody) if who(one) == "readers"}
    assert found == READS_RESULTS


def test_the_control_rooms_account_reads_the_ledger_besides_and_no_personal_data(everybody: Plan) -> None:
    found = {(one.role, one.place, one.name) for one in grants(everybody) if who(one) == "reader"}
    assert found == READS_RESULTS | {
        ("roles/bigquery.dataViewer", "dataset", "ops"),
        ("roles/datalineage.viewer", "project", ""),
        ("landfall_name_lister", "bucket", "landing"),
        ("landfall_name_lister", "bucket", "lake"),
        ("roles/storage.objectViewer", "bucket", "lake"),
    }


def test_of_the_lake_the_control_room_reads_what_is_open_and_no_rows(everybody: Plan) -> None:
    (grant,) = (
        one
        for one in grants(everybody)
        if who(one) == "reader" and one.name == "lake" and one.role == "roles/storage.objectViewer"
    )
    assert grant.condition is not None
    lake = "landfall-dev-lake"
    folder = folder_uri(lake, "bank_statement", "0" * 32)
    assert holds(grant.condition, open_uri(lake, "bank_statement"))
    for name in ("manifest.json", "pipeline.json"):
        assert not holds(grant.condition, f"{folder}/{name}")
    attempt = attempt_uri(folder, "landfall-job-1").removesuffix("metrics.json")
    for name in ("accepted/part-00000.parquet", "rejected/part-00000.parquet", "failure.json"):
        assert not holds(grant.condition, attempt + name)


def test_only_the_dags_change_tables(everybody: Plan) -> None:
    changing = {
        (who(grant), grant.role, grant.name)
        for grant in grants(everybody)
        if grant.place in ("dataset", "table") and grant.role != "roles/bigquery.dataViewer"
    }
    assert changing == {
        ("composer", "landfall_table_loader", "raw"),
        ("composer", "landfall_table_loader", "ops"),
        ("composer", "landfall_table_merger", "trusted"),
    }


def test_no_role_of_ours_grants_roles_or_deletes_tables(everybody: Plan) -> None:
    for role in custom_roles(everybody).values():
        for permission in role["permissions"]:
            assert not permission.endswith((".setIamPolicy", ".actAs", ".getAccessToken", ".signJwt"))
            assert permission != "bigquery.tables.delete"
            assert "*" not in permission


def test_the_cluster_maker_may_do_what_the_dags_call_and_no_more(plans: Mapping[str, Plan]) -> None:
    source = (ROOT / "composer_dags" / "landfall_dags" / "dataproc.py").read_text()
    called = {
        node.func.attr
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Attribute)
        and node.func.value.attr in ("_clusters", "_jobs")
    }
    needed = {"submit_job": {"dataproc.jobs.create", "dataproc.clusters.use"}}
    expected = set[str]()
    for method in called:
        verb, _, thing = method.partition("_")
        expected |= needed.get(method, {f"dataproc.{thing.removesuffix('s')}s.{verb}"})
    if "autoscaling_config" in (ROOT / "composer_dags" / "landfall_dags" / "cluster.py").read_text():
        expected.add("dataproc.autoscalingPolicies.use")
    assert set(custom_roles(plans["prod"])["landfall_cluster_maker"]["permissions"]) == expected


def test_the_build_reads_the_copies_of_functions_sources_and_no_other_bucket(everybody: Plan) -> None:
    (grant,) = (one for one in grants(everybody) if who(one) == "build" and one.condition)
    assert grant.condition is not None
    assert holds(
        grant.condition, "gs://gcf-v2-sources-123456789012-us-central1/trigger-ingest/function-source.zip"
    )
    assert not holds(grant.condition, "gs://landfall-dev-archive/bank_statement/2026-11-21/a.csv")


def test_with_a_key_every_service_that_keeps_something_may_use_it(everybody: Plan) -> None:
    services = {
        "google_storage_bucket": "gs-project-accounts",
        "google_bigquery_dataset": "bigquery-encryption",
        "google_bigquery_table": "bigquery-encryption",
        "google_pubsub_topic": "gcp-sa-pubsub",
        "google_secret_manager_secret": "gcp-sa-secretmanager",
        "google_artifact_registry_repository": "gcp-sa-artifactregistry",
        "google_cloudfunctions2_function": "gcf-admin-robot",
        "google_composer_environment": "cloudcomposer-accounts",
    }
    encrypted = {
        address.split(".")[0]
        for address, values in planned(everybody).items()
        if iam_table.KEY in str(values) and "_iam_" not in address
    }
    assert encrypted == services.keys()
    (key,) = {grant.name for grant in grants(everybody) if grant.place == "key"}
    assert set(services.values()) <= on(everybody, "key", key)


def test_without_a_key_no_service_is_granted_one(plans: Mapping[str, Plan]) -> None:
    assert not [grant for grant in grants(plans["prod"]) if grant.place == "key"]


def test_what_google_checks_when_it_makes_them_is_granted_before(plans: Mapping[str, Plan]) -> None:
    plan = plans["prod"]
    assert "google_project_iam_member.grant" in references(plan, "google_composer_environment.airflow")
    function = references(plan, "google_cloudfunctions2_function.trigger_ingest")
    built = {
        "google_project_iam_member.grant",
        "google_storage_bucket_iam_member.grant",
        "google_artifact_registry_repository_iam_member.grant",
    }
    assert built <= function
    assert built <= references(plan, "google_cloudfunctions2_function.control_room")


def test_reads_of_originals_and_of_the_key_are_logged(plans: Mapping[str, Plan]) -> None:
    logged = {
        values["service"]: values
        for values in of_type(plans["prod"], "google_project_iam_audit_config").values()
    }
    assert logged.keys() == {"storage.googleapis.com", "secretmanager.googleapis.com"}
    pipeline = {
        f"serviceAccount:landfall-{name}@landfall-prod.iam.gserviceaccount.com"
        for name in ("composer", "dataproc")
    }
    for service, values in logged.items():
        for log in values["audit_log_config"]:
            assert set(log["exempted_members"] or ()) <= (
                pipeline if service.startswith("storage") else set()
            )
        assert "DATA_READ" in {log["log_type"] for log in values["audit_log_config"]}


def test_whoever_is_in_two_lists_is_granted_once_for_both_reasons(
    terraform: Terraform, everybody: Plan
) -> None:
    assert everybody
    both = '["group:data@example.com"]'
    plan = terraform.copy("both").plan("dev", f"-var=readers={both}", f"-var=operators={both}")
    on_trusted = [
        one for one in grants(plan) if one.member == "group:data@example.com" and one.name == "trusted"
    ]
    assert [one.role for one in on_trusted] == ["roles/bigquery.dataViewer"]
    assert (
        reasons(plan)[on_trusted[0].address]
        == "reads the current rows; finds out what became of a file, a batch, a row"
    )


def test_nobody_is_everybody_by_variable(terraform: Terraform, everybody: Plan) -> None:
    assert everybody
    workspace = terraform.copy("everyone")
    with pytest.raises(TerraformError) as refused:
        workspace.plan("dev", *(f'-var={name}=["allAuthenticatedUsers"]' for name in iam_table.PEOPLE))
    assert str(refused.value).count("Expected members such as") == len(iam_table.PEOPLE)
