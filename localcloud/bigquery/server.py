"""The launcher: settings for bqemulator, the corrections in their order, then its own server loop."""

from dataclasses import dataclass
from pathlib import Path

import bqemulator.server as emulator
import duckdb_extensions  # type: ignore[import-untyped]
from bqemulator.api.dependencies import AppContext
from bqemulator.config import PersistenceMode, Settings
from fastapi import FastAPI

from localcloud.bigquery import (
    columns,
    decimals,
    discovery,
    errors,
    jobs,
    loads,
    logs,
    one_thread,
    one_writer,
    parsed_once,
    scripts,
    tables,
    time_travel,
    timestamps,
    transactions,
    translated_once,
    uploads,
    windows,
)
from localcloud.bigquery.results import Results
from localcloud.bigquery.seams import replace


@dataclass(frozen=True)
class Options:
    """What the command line says: port on 127.0.0.1, state folder, buckets folder, default project."""

    port: int
    data: Path
    buckets: Path
    project: str


def serve(options: Options) -> None:
    """Run the corrected emulator until SIGTERM or SIGINT.

    State lives in ``options.data`` and survives a restart, also one after SIGKILL. A seam that this
    bqemulator no longer has ends the start with a ``MissingSeamError``.
    """
    # bqemulator loads DuckDB's spatial extension at start and would download it; the wheel brings it along.
    duckdb_extensions.import_extension("spatial")
    correct()
    emulator.run_forever(
        Settings(
            rest_port=options.port,
            grpc_port=0,
            persistence_mode=PersistenceMode.PERSISTENT,
            data_dir=options.data,
            default_project_id=options.project,
            gcs_local_root=options.buckets,
            enable_format_extensions=False,
            metrics_enabled=False,
        )
    )


def correct() -> None:
    """Apply every correction to the imported bqemulator, before its server is built."""
    for correction in (
        logs,
        one_thread,
        one_writer,
        windows,
        columns,
        decimals,
        timestamps,
        time_travel,
        scripts,
        loads,
        parsed_once,
        translated_once,
    ):
        correction.apply()
    uploads.apply()
    create_app = emulator.create_app  # type: ignore[attr-defined]

    def create_corrected_app(context: AppContext) -> FastAPI:
        tables.apply(context)
        transactions.apply(context)
        app = create_app(context)
        errors.apply(app)
        app.add_middleware(timestamps.FormatOptions)
        for router in (jobs.router(Results(context)), tables.router(), discovery.router()):
            # The first matching route answers, so ours go in front of the emulator's.
            already_there = len(app.router.routes)
            app.include_router(router)
            app.router.routes[:] = app.router.routes[already_there:] + app.router.routes[:already_there]
        return app

    replace(emulator, "create_app", create_corrected_app)
