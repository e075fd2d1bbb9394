"""The warehouse as Terraform would define it, from rendered files: datasets, tables, views, procedures."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from google.api_core.exceptions import BadRequest, NotFound
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery
from google.cloud.bigquery.retry import DEFAULT_RETRY

#: A view over the tables of the datasets, each of which is named so with the dataset's name behind it.
REJECTED_ROWS = "ops.rejected_rows"

#: Seconds for one request, retries included: a local server answers at once or is broken.
PATIENCE = 60.0
_RETRY = DEFAULT_RETRY.with_timeout(PATIENCE)

_DAY_MS = 24 * 60 * 60 * 1000


class WarehouseError(Exception):
    """A rendered file is absent or no JSON, or a stored table cannot become what it says."""


@dataclass(frozen=True)
class TableDefinition:
    """One table: ``dataset.table``, its columns as a BigQuery JSON schema, and its layout."""

    name: str
    description: str
    fields: tuple[dict[str, Any], ...]
    partitioning: dict[str, Any] | None
    clustering: tuple[str, ...]
    labels: dict[str, str]

    @property
    def schema(self) -> list[bigquery.SchemaField]:
        """The columns as the client library knows them."""
        return [bigquery.SchemaField.from_api_repr(field) for field in self.fields]


@dataclass(frozen=True)
class Warehouse:
    """Everything the files define: descriptions of datasets by name, tables, and views and procedures as
    (path, SQL) pairs."""

    datasets: dict[str, str]
    tables: tuple[TableDefinition, ...]
    views: tuple[tuple[Path, str], ...]
    procedures: tuple[tuple[Path, str], ...]


def connect(endpoint: str, project: str, location: str) -> bigquery.Client:
    """Give a client of the BigQuery at ``endpoint`` (``http://127.0.0.1:9050``) that needs no account."""
    return bigquery.Client(
        project=project,
        location=location,
        credentials=AnonymousCredentials(),  # type: ignore[no-untyped-call]
        client_options={"api_endpoint": endpoint},
    )


def read(datasets: Path, ops: Path) -> Warehouse:
    """Read the definitions in two folders.

    ``datasets/<dataset>/`` gives the raw and trusted table, that of rejected rows, a view and the procedures,
    ``datasets`` itself the view over all, ``ops`` the ledger's tables and views and the schema of rejected
    rows. Beside ``ops`` lies ``layers.json``, BigQuery's datasets; beside ``datasets`` may lie ``marts/``,
    views of these datasets for reports. Raises ``WarehouseError`` with the path of what is absent or no JSON.
    """
    folders = sorted(path.parent for path in datasets.glob("*/pipeline.json"))
    if not folders:
        raise WarehouseError(f"expected {datasets}/*/pipeline.json, found none; run `make render`")
    tables: list[TableDefinition] = []
    procedures: list[Path] = []
    for folder in folders:
        facts = _read_json(folder / "warehouse.json")
        schemas = {layer: folder / f"{layer}.schema.json" for layer in ("raw", "trusted")}
        schemas["rejected"] = ops / "rejected_rows.schema.json"
        tables += [_define(facts["tables"][name], path, facts["labels"]) for name, path in schemas.items()]
        procedures += [folder / procedure["file"] for procedure in facts["procedures"]]
    for name, ledger in _read_json(ops / "tables.json").items():
        tables.append(_define(ledger, ops / f"{name}.schema.json", {}))
    views = [datasets / "rejected_rows.sql", *(folder / "live.sql" for folder in folders)]
    views += sorted(ops.glob("*.sql"))
    views += sorted((datasets.parent / "marts").glob("*.sql"))
    layers = _read_json(ops.parent / "layers.json")
    return Warehouse(layers, tuple(tables), _read_sql(views), _read_sql(procedures))


def provision(client: bigquery.Client, datasets: Path, ops: Path, location: str) -> Warehouse:
    """Make the warehouse what the rendered files say; running it again keeps every row.

    Tables that exist get their new columns, descriptions, labels, expirations and filter requirement, and
    keep optional columns that came in with files (mode ``evolve``). Raises ``WarehouseError`` when a table
    was stored with columns that cannot become the rendered ones.
    """
    warehouse = read(datasets, ops)
    for name, description in warehouse.datasets.items():
        dataset = bigquery.Dataset(f"{client.project}.{name}")
        dataset.location = location
        dataset.description = description
        client.create_dataset(dataset, exists_ok=True, retry=_RETRY, timeout=PATIENCE)
    for definition in warehouse.tables:
        _provision_table(client, definition)
    _part_rejected_rows(client, warehouse)
    for what, definitions in (("view", warehouse.views), ("procedure", warehouse.procedures)):
        for path, sql in definitions:
            try:
                _run(client, sql)
            except (BadRequest, NotFound) as error:
                raise WarehouseError(
                    f"expected {path} to create its {what}, found: {_reason(error)}; run `make render`"
                ) from error
    return warehouse


def _provision_table(client: bigquery.Client, definition: TableDefinition) -> None:
    wanted = _table(client.project, definition)
    stored = client.create_table(wanted, exists_ok=True, retry=_RETRY, timeout=PATIENCE)
    wanted.schema = merge_columns(stored.schema, definition.schema)
    properties = [name for name in _CHANGEABLE if getattr(stored, name) != getattr(wanted, name)]
    if _days(stored) != _days(wanted):
        properties += ["time_partitioning", "require_partition_filter"]
    if not properties:
        return
    try:
        client.update_table(wanted, properties, retry=_RETRY, timeout=PATIENCE)
    except BadRequest as error:
        raise WarehouseError(
            f"expected table {definition.name} to take its rendered schema, found: {_reason(error)}; "
            "only new nullable columns can be added to stored rows: run `landfall reset` to start empty"
        ) from error


def _part_rejected_rows(client: bigquery.Client, warehouse: Warehouse) -> None:
    """Move the rows of a cloud whose rejected rows are still in one table into one for each dataset."""
    try:
        stored = client.get_table(REJECTED_ROWS, retry=_RETRY, timeout=PATIENCE)
    except NotFound:
        return
    if stored.table_type != "TABLE":
        return
    own = next(table for table in warehouse.tables if table.name.startswith(REJECTED_ROWS))
    columns = ", ".join(f"`{field.name}`" for field in stored.schema)
    for row in _run(client, f"SELECT DISTINCT dataset FROM {REJECTED_ROWS}"):  # noqa: S608 a constant
        name = f"{REJECTED_ROWS}_{row['dataset']}"
        _provision_table(client, replace(own, name=name))
        # An end in the middle leaves both tables: what was moved before is not moved again.
        _run(
            client,
            f"INSERT INTO {name} ({columns}) SELECT {columns} FROM {REJECTED_ROWS} "  # noqa: S608 stored names
            f"WHERE dataset = '{row['dataset']}' AND batch_id NOT IN (SELECT batch_id FROM {name})",
        )
    client.delete_table(REJECTED_ROWS, retry=_RETRY, timeout=PATIENCE)


def merge_columns(
    stored: Sequence[bigquery.SchemaField], rendered: Sequence[bigquery.SchemaField]
) -> list[bigquery.SchemaField]:
    """Give the stored columns as they are rendered now, in their stored order, then the new ones.

    A stored column that is not rendered stays where it is optional; a REQUIRED one is left out, for BigQuery
    to refuse.
    """
    now = {field.name.lower(): field for field in rendered}
    before = {field.name.lower() for field in stored}
    kept = [now.get(field.name.lower(), field) for field in stored]
    new = [field for field in rendered if field.name.lower() not in before]
    return [field for field in kept if field.name.lower() in now or field.mode != "REQUIRED"] + new


#: What of a stored table can follow its definition; partitioning and clustering columns cannot.
_CHANGEABLE = ("schema", "description", "labels", "require_partition_filter")


def _days(table: bigquery.Table) -> int | None:
    """How long a partition is kept, in milliseconds; None for ever."""
    return table.time_partitioning.expiration_ms if table.time_partitioning else None


def _table(project: str, definition: TableDefinition) -> bigquery.Table:
    table = bigquery.Table(f"{project}.{definition.name}", schema=definition.schema)
    table.description = definition.description
    table.labels = definition.labels
    table.require_partition_filter = None
    if definition.partitioning:
        days = definition.partitioning.get("expiration_days")
        table.time_partitioning = bigquery.TimePartitioning(
            type_=definition.partitioning["type"],
            field=definition.partitioning["field"],
            expiration_ms=days and days * _DAY_MS,
        )
        table.require_partition_filter = definition.partitioning.get("require_filter") or None
    if definition.clustering:
        table.clustering_fields = list(definition.clustering)
    return table


def _define(table: dict[str, Any], schema: Path, labels: dict[str, str]) -> TableDefinition:
    return TableDefinition(
        name=table["table"],
        description=table["description"],
        fields=tuple(_read_json(schema)),
        partitioning=table.get("partitioning"),
        clustering=tuple(table.get("clustering") or ()),
        labels=labels,
    )


def _run(client: bigquery.Client, sql: str) -> Iterable[bigquery.Row]:
    job = client.query(sql, retry=_RETRY, timeout=PATIENCE)
    return job.result(retry=_RETRY, timeout=PATIENCE)


def _reason(error: BadRequest | NotFound) -> str:
    return str(error.errors[0]["message"]) if error.errors else str(error.message)


def _read_sql(paths: Iterable[Path]) -> tuple[tuple[Path, str], ...]:
    return tuple((path, _read_text(path)) for path in paths)


def _read_json(path: Path) -> Any:
    try:
        return json.loads(_read_text(path))
    except json.JSONDecodeError as error:
        raise WarehouseError(f"expected JSON in {path}, found {error}; run `make render`") from error


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise WarehouseError(f"expected {path}, found no such file; run `make render`") from error
