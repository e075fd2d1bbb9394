"""What must hold of every environment, asked of its plan. A check yields a sentence for each thing wrong.

`terraform test` asks some of it too, of prod. Here it is asked of all, together with what only a program can
ask: of resources that a later change adds, whatever their names, and of several environments at once.
"""

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping

from tests.terraform.plan import Plan, Values, key, of_type, planned, strings, unknown

Check = Callable[[Plan], Iterator[str]]

PRIMITIVE = ("roles/owner", "roles/editor", "roles/viewer", "roles/browser")
EVERYBODY = ("allUsers", "allAuthenticatedUsers")
# Roles over what has access lists of its own: a bucket, a dataset, a secret, an account, a service, a key.
NARROWABLE = re.compile(
    r"roles/(storage\.|bigquery\.(data|admin|user$|filteredData)|secretmanager\.|iam\.|cloudkms\.|run\.|cloudfunctions\.|pubsub\.(admin|editor|subscriber)"
    r"|resourcemanager\.|.*[aA]dmin$)"
)
GRANTS_OF_A_PROJECT = ("google_project_iam_member", "google_project_iam_binding", "google_project_iam_policy")

# What 6.50 still takes and a later one warns of or refuses, of services used here; "" is the resource itself.
DEPRECATED = {
    "google_bigquery_table": ("time_partitioning.require_partition_filter",),
    "google_cloudfunctions2_function": ("service_config.service",),
    "google_compute_firewall": ("enable_logging",),
    "google_compute_subnetwork": ("enable_flow_logs",),
    "google_data_catalog_entry": ("",),
    "google_data_catalog_entry_group": ("",),
    "google_data_catalog_tag": ("",),
    "google_data_catalog_tag_template": ("",),
}

# What Cloud KMS can encrypt. Of tables it is those that hold rows: a view is known by its text alone.
TAKE_A_KEY = (
    "google_artifact_registry_repository",
    "google_bigquery_dataset",
    "google_bigquery_table",
    "google_cloudfunctions2_function",
    "google_composer_environment",
    "google_pubsub_topic",
    "google_secret_manager_secret",
    "google_storage_bucket",
)


def iam(plan: Plan) -> dict[str, Values]:
    """Everything that grants a role, or sets a policy, on anything."""
    return {address: values for address, values in planned(plan).items() if "_iam_" in address.split(".")[0]}


def no_primitive_role(plan: Plan) -> Iterator[str]:
    for address, values in iam(plan).items():
        for role in PRIMITIVE:
            if any(text == role or f'"{role}"' in text for text in strings(values)):
                yield f"{address}: expected a role for what is done, found {role}"


def nobody_is_everybody(plan: Plan) -> Iterator[str]:
    for address, values in planned(plan).items():
        for member in EVERYBODY:
            # As a member, as the special group of a dataset, or within a policy as JSON.
            if any(text == member or f'"{member}"' in text for text in strings(values)):
                yield f"{address}: expected a named member, found {member}"


def no_role_is_wider_than_its_thing(plan: Plan) -> Iterator[str]:
    for address, values in iam(plan).items():
        resource = address.split(".")[0]
        narrowed = values.get("condition")
        if resource in GRANTS_OF_A_PROJECT and NARROWABLE.match(str(values.get("role"))) and not narrowed:
            yield f"{address}: expected {values['role']} on one resource, found it on the whole project"
        if resource.endswith(("_iam_policy", "_iam_binding")):
            yield f"{address}: expected grants one by one, found {resource}, which takes others away"


def no_key_and_no_secret(plan: Plan) -> Iterator[str]:
    """The state keeps every argument in clear."""
    for address in planned(plan):
        resource = address.split(".")[0]
        if resource in ("google_service_account_key", "google_storage_hmac_key"):
            yield f"{address}: expected an attached account, found a key that can be stolen"
        if resource == "google_secret_manager_secret_version":
            yield f"{address}: expected a version made outside of Terraform, found one in its state"
    for name, output in plan["planned_values"].get("outputs", {}).items():
        if output["sensitive"]:
            yield f"output.{name}: expected nothing secret, found a sensitive output"


def buckets_are_private(plan: Plan) -> Iterator[str]:
    for address, values in of_type(plan, "google_storage_bucket").items():
        if values.get("uniform_bucket_level_access") is not True:
            yield f"{address}: expected uniform access, found access lists of objects"
        if values.get("public_access_prevention") != "enforced":
            found = values.get("public_access_prevention")
            yield f"{address}: expected public access to be prevented, found {found}"
    for resource in (
        "google_storage_bucket_acl",
        "google_storage_object_acl",
        "google_storage_default_object_acl",
    ):
        yield from (
            f"{address}: expected IAM alone, found an access list" for address in of_type(plan, resource)
        )


def nothing_expires_that_is_needed(plan: Plan) -> Iterator[str]:
    """Landing holds what is pending, the lake the journal and manifests, the archive all originals."""
    for address, values in of_type(plan, "google_storage_bucket").items():
        purpose = key(address)
        for rule in values["lifecycle_rule"]:
            condition = rule["condition"][0]
            if rule["action"][0]["type"] != "Delete" or _of_what_was_replaced(condition):
                continue
            if purpose == "landing":
                yield f"{address}: expected pending files to stay, found a rule that deletes them"
            if purpose == "lake" and condition["matches_suffix"] != [".parquet"]:
                yield f"{address}: expected only .parquet to expire, found a rule that the journal meets"
            if purpose in ("archive", "rejected") and not condition["matches_prefix"]:
                yield f"{address}: expected a contract to limit what is kept, found a rule for all datasets"


def what_passes_through_expires(plan: Plan) -> Iterator[str]:
    for address, values in of_type(plan, "google_storage_bucket").items():
        purpose, rules = key(address), values["lifecycle_rule"]
        deletes = [rule["condition"][0] for rule in rules if rule["action"][0]["type"] == "Delete"]
        if purpose == "staging" and not any(condition["age"] for condition in deletes):
            yield f"{address}: expected what clusters leave to expire, found no rule that deletes by age"
        if purpose == "lake" and not any(
            condition["matches_suffix"] == [".parquet"] for condition in deletes
        ):
            yield f"{address}: expected the attempts' Parquet to expire, found no rule for it"


def tables_are_partitioned(plan: Plan) -> Iterator[str]:
    for address, values in of_type(plan, "google_bigquery_table").items():
        if values["view"] or values["materialized_view"]:
            continue
        layer = address.split(".")[1].split("[")[0]
        if layer != "trusted" and not values["time_partitioning"]:
            yield f"{address}: expected partitions, found a table that every query reads as a whole"
        if layer == "raw" and values.get("require_partition_filter") is not True:
            yield f"{address}: expected a partition filter to be required, found none"
        if values.get("clustering") == []:
            yield f"{address}: expected clustering by a column, found an empty list"


def every_contract_has_its_own(datasets: set[str]) -> Check:
    """Of each dataset the tables, the view and the procedures, and of nothing else."""

    def check(plan: Plan) -> Iterator[str]:
        for resource, expected in {
            "google_bigquery_table.raw": datasets,
            "google_bigquery_table.trusted": datasets,
            "google_bigquery_table.rejected_rows": datasets,
            "google_bigquery_table.live": datasets,
            "google_bigquery_routine.procedure": {
                f"sp_{kind}_{dataset}" for kind in ("trusted", "replay") for dataset in datasets
            },
        }.items():
            made = {key(address) for address in planned(plan) if address.startswith(f"{resource}[")}
            for name in sorted(expected ^ made):
                found = "none" if name in expected else "one without a contract"
                yield f'{resource}["{name}"]: expected one for each contract, found {found}'

    return check


def events_come_again(plan: Plan) -> Iterator[str]:
    functions = of_type(plan, "google_cloudfunctions2_function")
    for address, values in functions.items():
        for trigger in values["event_trigger"]:
            if trigger.get("retry_policy") != "RETRY_POLICY_RETRY":
                yield f"{address}: expected events to be delivered again, found {trigger.get('retry_policy')}"
        # What no event calls is called by people, from wherever they are, and IAM alone keeps others out.
        for service in values["service_config"] if values["event_trigger"] else ():
            if service.get("ingress_settings") != "ALLOW_INTERNAL_ONLY":
                yield f"{address}: expected calls from within alone, found {service.get('ingress_settings')}"
    subscriptions = of_type(plan, "google_pubsub_subscription")
    if not subscriptions:
        yield "google_pubsub_subscription: expected one that keeps dead letters, found none"
    for address, values in subscriptions.items():
        if [policy["ttl"] for policy in values["expiration_policy"]] != [""]:
            yield f"{address}: expected a subscription that stays, found one that expires when it is not used"
    # The local cloud has no Pub/Sub to bind.
    told = plan["variables"]["gcloud_steps"]["value"]
    if functions and told and "terraform_data.dead_letters[0]" not in planned(plan):
        yield "terraform_data.dead_letters: expected the trigger's dead letters to be bound, found nothing"


def data_is_protected(plan: Plan) -> Iterator[str]:
    """As the environment says; prod and stg say that it is."""
    variables = plan["variables"]
    expected = variables["deletion_protection"]["value"]
    if variables["environment"]["value"] in ("prod", "stg") and not expected:
        yield "var.deletion_protection: expected true, found false"
    for address, values in planned(plan).items():
        if address.split(".")[0] in ("google_bigquery_table", "google_secret_manager_secret"):
            # A view holds nothing; it must not stand in the way of its table.
            found = values["deletion_protection"] or bool(values.get("view"))
        elif address.startswith("google_storage_bucket."):
            found = not values["force_destroy"]
        elif address.startswith("google_bigquery_dataset."):
            found = not values["delete_contents_on_destroy"]
        else:
            continue
        if expected and not found:
            yield f"{address}: expected protection from deletion, found none"


def every_alert_reaches_somebody(plan: Plan) -> Iterator[str]:
    policies = of_type(plan, "google_monitoring_alert_policy")
    if not policies:
        yield "google_monitoring_alert_policy: expected alerts, found none"
    for address, values in policies.items():
        # Their ids are known only after apply.
        if not values.get("notification_channels") and not unknown(plan, address).get(
            "notification_channels"
        ):
            yield f"{address}: expected a notification channel, found none"
        if values.get("enabled") is False:
            yield f"{address}: expected an alert, found one that is switched off"


def every_metric_is_looked_at(plan: Plan) -> Iterator[str]:
    watching = [*of_type(plan, "google_monitoring_alert_policy").values()]
    shown = [*of_type(plan, "google_monitoring_dashboard").values()]
    used = {
        name
        for text in (text for values in (*watching, *shown) for text in strings(values))
        for name in re.findall(r"(?:logging\.googleapis\.com/user/|logging_googleapis_com:user_)(\w+)", text)
    }
    metrics = {values["name"]: address for address, values in of_type(plan, "google_logging_metric").items()}
    for name, address in metrics.items():
        # A distribution has series of its own for buckets, sum and count.
        if not used & {name, *(f"{name}_{series}" for series in ("bucket", "sum", "count"))}:
            yield f"{address}: expected an alert or a tile that uses it, found none"
    for name in sorted(used):
        if name not in metrics and re.sub(r"_(bucket|sum|count)$", "", name) not in metrics:
            yield f"an alert or a tile uses {name}: expected a metric of that name, found none"


def machines_are_private(plan: Plan) -> Iterator[str]:
    for address, values in of_type(plan, "google_compute_firewall").items():
        anywhere = {"0.0.0.0/0", "::/0"} & set(values.get("source_ranges") or ())
        if values["allow"] and values.get("direction") != "EGRESS" and anywhere:
            yield f"{address}: expected the internet to be kept out, found a rule that lets it in"
    for address, values in of_type(plan, "google_compute_subnetwork").items():
        if values.get("private_ip_google_access") is not True:
            yield f"{address}: expected Private Google Access, found none"
    for address, values in of_type(plan, "google_compute_router_nat").items():
        if values["source_subnetwork_ip_ranges_to_nat"] != "LIST_OF_SUBNETWORKS":
            yield f"{address}: expected NAT for the clusters' subnetwork, found it for every one"
    for address, values in planned(plan).items():
        if '"access_config": [{' in json.dumps(values):
            yield f"{address}: expected no public address, found one"


def nothing_is_deprecated(plan: Plan) -> Iterator[str]:
    """Providers of 7.x and 8.x say so themselves, in `terraform validate`; the stub of 6.50 does not."""
    for resource in plan["configuration"]["root_module"]["resources"]:
        if resource["mode"] != "managed":
            continue
        for argument in DEPRECATED.get(resource["type"], ()):
            if argument in {"", *_arguments(resource.get("expressions", {}))}:
                thing = f"{resource['type']}.{argument}".rstrip(".")
                yield f"{resource['address']}: expected nothing deprecated, found {thing}"


def everything_is_encrypted_with(key: str) -> Check:
    """Of an environment that has a key of its own."""

    def check(plan: Plan) -> Iterator[str]:
        for address, values in planned(plan).items():
            if address.split(".")[0] in TAKE_A_KEY and not values.get("view") and key not in strings(values):
                yield f"{address}: expected encryption with {key}, found Google's own"

    return check


def environments_share_nothing(plans: Mapping[str, Plan]) -> Iterator[str]:
    """Names that are taken worldwide, or that two environments in one project would both want."""
    owners: dict[str, list[str]] = defaultdict(list)
    for environment, plan in plans.items():
        owners[f"project {plan['variables']['project']['value']}"].append(environment)
        owners[f"environment label {plan['variables']['environment']['value']}"].append(environment)
        for values in of_type(plan, "google_storage_bucket").values():
            owners[f"bucket {values['name']}"].append(environment)
    for name, environments in owners.items():
        if len(environments) > 1:
            yield f"{name}: expected one environment, found {', '.join(environments)}"


CHECKS: tuple[Check, ...] = (
    no_primitive_role,
    nobody_is_everybody,
    no_role_is_wider_than_its_thing,
    no_key_and_no_secret,
    buckets_are_private,
    nothing_expires_that_is_needed,
    what_passes_through_expires,
    tables_are_partitioned,
    events_come_again,
    data_is_protected,
    every_alert_reaches_somebody,
    every_metric_is_looked_at,
    machines_are_private,
    nothing_is_deprecated,
)


def _of_what_was_replaced(condition: Values) -> bool:
    """Whether a lifecycle rule meets only versions that are no longer live."""
    # Unset, the state is the provider's to choose, and known after apply.
    return condition.get("with_state") == "ARCHIVED" or any(
        condition[name]
        for name in ("days_since_noncurrent_time", "num_newer_versions", "noncurrent_time_before")
    )


def _arguments(expressions: Values, within: str = "") -> Iterator[str]:
    """The arguments that a block of the configuration sets, those of its inner blocks with a dot."""
    for name, expression in expressions.items():
        if isinstance(expression, list):
            for block in expression:
                yield from _arguments(block, f"{within}{name}.")
        else:
            yield f"{within}{name}"
