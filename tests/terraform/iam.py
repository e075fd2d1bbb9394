"""Who is granted what, read from a plan."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from tests.terraform.plan import Plan, Values, planned

# By type of resource: what its instances are called in the table, and which argument names one.
PLACES = {
    "google_project_iam": ("project", None),
    "google_storage_bucket_iam": ("bucket", "bucket"),
    "google_bigquery_dataset_iam": ("dataset", "dataset_id"),
    "google_bigquery_table_iam": ("table", "table_id"),
    "google_service_account_iam": ("account", "service_account_id"),
    "google_secret_manager_secret_iam": ("secret", "secret_id"),
    "google_cloud_run_v2_service_iam": ("service", "name"),
    "google_pubsub_topic_iam": ("topic", "topic"),
    "google_pubsub_subscription_iam": ("subscription", "subscription"),
    "google_artifact_registry_repository_iam": ("repository", "repository"),
    "google_kms_crypto_key_iam": ("key", "crypto_key_id"),
    "google_data_catalog_policy_tag_iam": ("policy tag", "policy_tag"),
}
_ACCOUNT = re.compile(r"serviceAccount:landfall-([a-z]+)@([^.]+)\.iam\.gserviceaccount\.com")


@dataclass(frozen=True)
class Grant:
    """One member's role on one resource; `place` is what kind of one, `name` which, bare of the project."""

    address: str
    member: str
    role: str
    place: str
    name: str
    condition: str | None

    @property
    def account(self) -> str | None:
        """Which of the bundle's own accounts this is; None for anybody else."""
        match = _ACCOUNT.fullmatch(self.member)
        return match[1] if match else None


def grants(plan: Plan) -> list[Grant]:
    """Every grant in the plan. Raises ValueError for a way of granting that is not known here."""
    return [
        grant
        for address, values in planned(plan).items()
        if "_iam_" in (kind := address.split(".")[0]) and not kind.endswith(("_custom_role", "_audit_config"))
        for grant in _read(plan, address, values)
    ]


def custom_roles(plan: Plan) -> dict[str, Values]:
    """The roles that the bundle makes itself, by their ids."""
    return {
        values["role_id"]: values
        for address, values in planned(plan).items()
        if address.startswith("google_project_iam_custom_role.")
    }


def reasons(plan: Plan) -> dict[str, str]:
    """Why each grant is made, by its address: what the configuration itself says."""
    found: dict[str, str] = plan["planned_values"]["outputs"]["grants"]["value"]
    return found


def _read(plan: Plan, address: str, values: Values) -> Iterator[Grant]:
    kind = address.split(".")[0]
    resource, _, form = kind.rpartition("_")
    if form not in ("member", "binding") or resource not in PLACES:
        raise ValueError(f"{address}: expected a grant on {', '.join(sorted(PLACES))}, found {kind}")
    place, argument = PLACES[resource]
    # The id of a policy tag is known after apply; its key is the dataset's name.
    name = "" if argument is None else str(values.get(argument) or _key(address))
    conditions = values.get("condition") or []
    project = plan["variables"]["project"]["value"]
    for member in [values["member"]] if form == "member" else values["members"]:
        yield Grant(
            address,
            member,
            values["role"].rpartition("/")[2] if values["role"].startswith("projects/") else values["role"],
            place,
            name.rpartition("/")[2].removeprefix(f"{project}-"),
            conditions[0]["expression"] if conditions else None,
        )


def _key(address: str) -> str:
    match = re.search(r'\["([^" ]*)', address)
    return match[1] if match else ""
