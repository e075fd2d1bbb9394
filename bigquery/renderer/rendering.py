"""All that is rendered from a contract."""

from bigquery.renderer import (
    catalog_json,
    contract,
    live_sql,
    pipeline_json,
    procedure_sql,
    replay_sql,
    table_schema,
    warehouse_json,
)


def render(text: str, folder: str) -> dict[str, str]:
    """The rendered files by name, from the text of the contract in `folder` (the folder's own name).

    Raises ContractError where the contract is not sound.
    """
    dataset = contract.read(text, folder)
    return {
        "raw.schema.json": table_schema.render_raw(dataset),
        "trusted.schema.json": table_schema.render_trusted(dataset),
        "live.sql": live_sql.render(dataset),
        "procedure.sql": procedure_sql.render(dataset),
        "replay.sql": replay_sql.render(dataset),
        "pipeline.json": pipeline_json.render(dataset),
        "warehouse.json": warehouse_json.render(dataset),
        "catalog.json": catalog_json.render(dataset),
    }
