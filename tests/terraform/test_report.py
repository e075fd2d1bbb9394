"""The address that begins a report in Looker Studio: parameters of its Linking API.

docs/report.md explains it: the page is held against the plan and the marts.
"""

import json
import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlsplit

import pytest

from tests.terraform.plan import Plan, planned
from tests.terraform.workspace import ROOT, Terraform, TerraformError

PAGE = (ROOT / "docs" / "report.md").read_text()
TEMPLATE = "8a6517b8-8fcd-47a2-a953-000000000000"


def parameters(plan: Plan) -> dict[str, str]:
    """What the address says, each thing once."""
    address = plan["planned_values"]["outputs"]["report_url"]["value"]
    parts = urlsplit(address)
    assert (parts.scheme, parts.netloc, parts.path) == (
        "https",
        "lookerstudio.google.com",
        "/reporting/create",
    )
    assert not parts.fragment
    pairs = parse_qsl(parts.query, strict_parsing=True, keep_blank_values=True)
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def source(plan: Plan, alias: str) -> dict[str, str]:
    project = plan["variables"]["project"]["value"]
    environment = plan["variables"]["environment"]["value"]
    return {
        f"{alias}.connector": "bigQuery",
        f"{alias}.type": "TABLE",
        f"{alias}.projectId": project,
        f"{alias}.billingProjectId": project,
        f"{alias}.datasetId": "marts",
        f"{alias}.tableId": "fact_quote",
        f"{alias}.datasourceName": f"fact_quote (landfall {environment})",
        "r.reportName": f"Quotes (landfall {environment})",
    }


@pytest.mark.parametrize("environment", ["dev", "stg", "prod", "local"])
def test_a_new_report_has_one_source_without_an_alias(environment: str, plans: Mapping[str, Plan]) -> None:
    """Looker Studio refuses an alias that no template defines."""
    plan = plans[environment]
    assert parameters(plan) == source(plan, "ds") | {"c.mode": "edit"}
    assert 'google_bigquery_table.mart["fact_quote"]' in planned(plan)


def test_of_a_template_every_source_is_replaced(plans: Mapping[str, Plan], terraform: Terraform) -> None:
    plan = terraform.copy("template").plan("stg", f"-var=report_template={TEMPLATE}")
    assert parameters(plan) == source(plan, "ds.*") | {"c.reportId": TEMPLATE}


def test_a_template_is_named_by_its_id(plans: Mapping[str, Plan], terraform: Terraform) -> None:
    address = f"https://lookerstudio.google.com/reporting/{TEMPLATE}/page/1"
    with pytest.raises(TerraformError, match="Expected the id of a report"):
        terraform.copy("no_template").plan("stg", f"-var=report_template={address}")


def test_the_page_explains_every_parameter_of_dev(plans: Mapping[str, Plan]) -> None:
    told = dict(re.findall(r"^\| `([rcd]s?\.\w+)` \| `([^`]+)` \|", PAGE, re.MULTILINE))
    assert told == parameters(plans["dev"])


def test_the_page_names_marts_and_columns_that_there_are() -> None:
    catalog = {
        mart["name"]: mart for mart in json.loads((ROOT / "bigquery/marts/catalog.json").read_text())["marts"]
    }
    named = set(re.findall(r"\b((?:fact|dim|bridge|report|ops)_[a-z_]+[a-z])\b", PAGE))
    assert named - {"report_url", "report_template"} <= set(catalog)
    assert {"report_total", "fact_quote", "ops_freshness"} <= named
    charts = re.findall(r"^\| [^|]+ \| \*[^|]+\* \| (?:`(\w+)`|–) \| `(\w+)`, \*Sum\* \|", PAGE, re.MULTILINE)
    assert len(charts) == 3
    columns = {column["name"] for column in catalog["fact_quote"]["columns"]}
    assert {name for chart in charts for name in chart if name} | {"quote_date"} <= columns
