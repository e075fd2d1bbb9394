"""What OpenLineage is told of a dataset: its contract, and how many rows."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from openlineage.client.facet_v2 import (
    DatasetFacet,
    InputDatasetFacet,
    OutputDatasetFacet,
    column_lineage_dataset,
    data_quality_assertions_dataset,
    dataset_version_dataset,
    datasource_dataset,
    documentation_dataset,
    input_statistics_input_dataset,
    output_statistics_output_dataset,
    ownership_dataset,
    schema_dataset,
    tags_dataset,
)

from landfall_dags.pipeline import Pipeline
from landfall_dags.quality import FAIL, RuleResult

# A rendered `catalog.json`: what the contract says for whoever reads about the dataset.
Catalog = Mapping[str, Any]
Facets = dict[str, DatasetFacet]


def read_catalog(datasets_dir: Path, contract: Pipeline) -> Catalog | None:
    """The `catalog.json` of a dataset; None where it is not there, or describes another version."""
    path = datasets_dir / contract.dataset / "catalog.json"
    if not path.exists():
        return None
    document: Catalog = json.loads(path.read_text(encoding="utf-8"))
    return document if document["version"] == contract.contract_version else None


def about(contract: Pipeline, catalog: Catalog | None) -> Facets:
    """What holds for each dataset of a contract: its version, its owner, what it is for."""
    purpose = catalog["description"]["purpose"] if catalog else None
    return {
        "version": dataset_version_dataset.DatasetVersionDatasetFacet(contract.contract_version),
        "ownership": ownership_dataset.OwnershipDatasetFacet([ownership_dataset.Owner(contract.owner)]),
        **documented(purpose or contract.description),
    }


def documented(text: str) -> Facets:
    return {"documentation": documentation_dataset.DocumentationDatasetFacet(text)}


def source(name: str, uri: str) -> Facets:
    return {"dataSource": datasource_dataset.DatasourceDatasetFacet(name, uri)}


def table_columns(catalog: Catalog | None) -> Facets:
    """The contract's columns as a table has them, and how each is classified."""
    return _columns(catalog and _kept(catalog), "name", None)


def file_columns(catalog: Catalog | None) -> Facets:
    """The contract's columns as a file has them: under the names of its header, all text."""
    return _columns(catalog, "header", "text")


def _columns(catalog: Catalog | None, name: str, kind: str | None) -> Facets:
    if catalog is None:
        return {}
    fields = [
        schema_dataset.SchemaDatasetFacetFields(
            name=_name(column, name),
            type=kind or column["type"],
            description=column["description"],
            ordinal_position=position,
        )
        for position, column in enumerate(catalog["columns"], 1)
    ]
    tags = [
        tags_dataset.TagsDatasetFacetFields(
            "classification", column["classification"], "landfall", field=_name(column, name)
        )
        for column in catalog["columns"]
        if column["classification"]
    ]
    facets: Facets = {"schema": schema_dataset.SchemaDatasetFacet(fields)}
    return facets | ({"tags": tags_dataset.TagsDatasetFacet(tags)} if tags else {})


def parsed_columns(catalog: Catalog | None, namespace: str, name: str) -> DatasetFacet | None:
    """Each column of raw is a file's column read as its type; personal ones may be masked on the way."""
    return _lineage(catalog, namespace, name, "header", "TRANSFORMATION")


def same_columns(catalog: Catalog | None, namespace: str, name: str) -> DatasetFacet | None:
    """Each column of trusted is raw's column, unchanged."""
    return _lineage(catalog, namespace, name, "name", "IDENTITY")


def _lineage(
    catalog: Catalog | None, namespace: str, name: str, of: str, subtype: str
) -> DatasetFacet | None:
    if catalog is None:
        return None
    fields = {}
    for column in _kept(catalog)["columns"]:
        masks = subtype != "IDENTITY" and column["protection"] is not None
        change = column_lineage_dataset.Transformation("DIRECT", subtype, masking=masks)
        came_from = column_lineage_dataset.InputField(namespace, name, _name(column, of), [change])
        fields[column["name"]] = column_lineage_dataset.Fields([came_from])
    return column_lineage_dataset.ColumnLineageDatasetFacet(fields)


def _kept(catalog: Catalog) -> Catalog:
    """Without the columns that the contract drops: a file may have them, no table does."""
    columns = [one for one in catalog["columns"] if (one["protection"] or {}).get("method") != "drop"]
    return {**catalog, "columns": columns}


def _name(column: Mapping[str, Any], key: str) -> str:
    return str(column[key] or column["name"])


def rows_read(rows: int, size: int | None = None, files: int | None = None) -> InputDatasetFacet:
    """Counts of rows, of bytes and of files."""
    return input_statistics_input_dataset.InputStatisticsInputDatasetFacet(rows, size, files)


def rows_written(rows: int) -> OutputDatasetFacet:
    return output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(rows)


def assertions(rules: Iterable[RuleResult]) -> dict[str, InputDatasetFacet]:
    """The contract's quality rules as they were answered of the batch; empty where there are none."""
    answered = [
        data_quality_assertions_dataset.Assertion(
            assertion=rule.metric,
            success=rule.passed,
            column=rule.columns[0] if len(rule.columns) == 1 else None,
            severity="error" if rule.severity == FAIL else "warn",
            name=rule.rule,
            expected=f"{rule.operator} {' and '.join(f'{value:g}' for value in rule.threshold)} {rule.unit}",
            actual=f"{rule.found:g} {rule.unit}",
        )
        for rule in rules
    ]
    facet = data_quality_assertions_dataset.DataQualityAssertionsDatasetFacet(answered)
    return {"dataQualityAssertions": facet} if answered else {}
