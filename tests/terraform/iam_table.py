"""The tables of docs/security.md: who may do what, and why, as the plan of an environment has it.

    python -m tests.terraform.iam_table     # or: make iam-table

The plan is one in which every list of people has a member and a key is given, so that no grant is left out.
"""

import json
import re
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from tests.terraform.iam import Grant, custom_roles, grants, reasons
from tests.terraform.plan import Plan
from tests.terraform.workspace import ROOT, NoTerraformError, Terraform, find_terraform

PAGE = ROOT / "docs" / "security.md"
# What stands between these lines is written here.
BEGIN, END = "<!-- begin {} -->", "<!-- end {} -->"
GRANTS, ROLES = "grants", "roles"

PEOPLE = ("droppers", "readers", "control_room_viewers", "operators", "original_readers")
HOLDER = "role_members"
KEY = "projects/keys/locations/us-central1/keyRings/landfall/cryptoKeys/landfall"
ACCOUNTS = ("function", "trigger", "build", "composer", "dataproc", "reader")
AGENTS = {
    "gs-project-accounts": "Cloud Storage's agent",
    "gcp-sa-pubsub": "Pub/Sub's agent",
    "gcp-sa-artifactregistry": "Artifact Registry's agent",
    "bigquery-encryption": "BigQuery's agent",
    "cloudcomposer-accounts": "Composer's agent",
    "gcp-sa-eventarc": "Eventarc's agent",
    "gcf-admin-robot": "Cloud Run functions' agent",
    "serverless-robot-prod": "Cloud Run's agent",
    "gcp-sa-secretmanager": "Secret Manager's agent",
}
PLACES_OF_DATASETS = {"table": "tables of its datasets", "policy tag": "restricted columns of each dataset"}


def arguments() -> list[str]:
    """The arguments of a plan in which everybody who can be named is named."""
    people = {name: [f"group:{name}@example.com"] for name in PEOPLE}
    holders = {role: [f"group:{HOLDER}@example.com"] for role in _roles_of_contracts()}
    return [
        *(f"-var={name}={json.dumps(members)}" for name, members in people.items()),
        f"-var={HOLDER}={json.dumps(holders)}",
        f"-var=kms_key={KEY}",
    ]


def write(page: str, plan: Plan) -> str:
    """The page with the tables of this plan."""
    for name, table in ((GRANTS, _grants_table(plan)), (ROLES, _roles_table(plan))):
        begin, end = BEGIN.format(name), END.format(name)
        page, count = re.subn(
            f"{re.escape(begin)}.*?{re.escape(end)}",
            lambda _, text=f"{begin}\n{table}\n{end}": text,  # type: ignore[misc]
            page,
            flags=re.DOTALL,
        )
        if count != 1:
            raise ValueError(f"{PAGE}: expected one {begin} before one {end}, found {count}")
    return page


def _grants_table(plan: Plan) -> str:
    why = reasons(plan)
    # Adding a dataset adds grants of a kind that is listed already.
    rows = {(_who(grant), _role(grant, plan), _place(grant), why[grant.address]) for grant in grants(plan)}
    order = [
        *(f"`{name}`" for name in ACCOUNTS),
        *(_list(name) for name in (*PEOPLE, HOLDER)),
        *AGENTS.values(),
    ]
    ranked = sorted(rows, key=lambda row: (order.index(row[0]), row[2] != "project", row[2], row[1]))
    return _table(("who", "role", "on", "why"), ranked)


def _roles_table(plan: Plan) -> str:
    rows = [
        (f"`{name}`", role["description"], "<br>".join(f"`{one}`" for one in sorted(role["permissions"])))
        for name, role in sorted(custom_roles(plan).items())
    ]
    return _table(("role", "what for", "permissions"), rows)


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = tuple(head)
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ("---",) * len(head), *rows))


def _who(grant: Grant) -> str:
    if grant.account:
        return f"`{grant.account}`"
    kind, _, email = grant.member.partition(":")
    name, _, domain = email.partition("@")
    return _list(name) if kind == "group" else AGENTS[domain.partition(".")[0]]


def _list(name: str) -> str:
    return f"whoever is in `{name}`"


def _role(grant: Grant, plan: Plan) -> str:
    role = f"`{grant.role.removeprefix('roles/')}`"
    if grant.condition is None:
        return role
    project = plan["variables"]["project"]["value"]
    condition = re.sub(r"\b[0-9]{6,}\b", "NUMBER", grant.condition.replace(project, "PROJECT"))
    # Within a table a bar ends the cell, even in code.
    written = condition.replace("|", r"\|")
    return f"{role} where `{written}`"


def _place(grant: Grant) -> str:
    if grant.place in PLACES_OF_DATASETS:
        return PLACES_OF_DATASETS[grant.place]
    if grant.place == "account":
        return f"account `{grant.name.partition('@')[0].removeprefix('landfall-')}`"
    if grant.place == "key":
        return "the key in `kms_key`"
    return f"{grant.place} `{grant.name}`" if grant.name else grant.place


def _roles_of_contracts() -> Iterator[str]:
    for file in sorted((ROOT / "bigquery" / "datasets").glob("*/warehouse.json")):
        warehouse: Mapping[str, list[dict[str, str]]] = json.loads(file.read_text())
        yield from (role["role"] for role in warehouse["roles"])


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        try:
            terraform = Terraform(find_terraform(), Path(folder))
        except NoTerraformError as error:
            print(error, file=sys.stderr)
            return 1
        plan = terraform.copy("iam").plan("dev", *arguments())
    PAGE.write_text(write(PAGE.read_text(), plan))
    print(f"{PAGE.relative_to(ROOT)}: {len(grants(plan))} grants, {len(custom_roles(plan))} roles")
    return 0


if __name__ == "__main__":
    sys.exit(main())
