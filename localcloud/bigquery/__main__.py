"""Start the local BigQuery on 127.0.0.1; state in one folder, ``gs://`` in another."""

import argparse
from pathlib import Path

from localcloud.bigquery.server import Options, serve


def main() -> None:
    """Read the flags and serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m localcloud.bigquery", description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="port of the REST API on 127.0.0.1")
    parser.add_argument(
        "--data", type=Path, required=True, help="folder that keeps tables, routines and job ids"
    )
    parser.add_argument(
        "--buckets", type=Path, required=True, help="folder whose <bucket>/<object> are gs:// URIs"
    )
    parser.add_argument("--project", required=True, help="project of requests that name none")
    flags = parser.parse_args()
    serve(Options(flags.port, flags.data, flags.buckets, flags.project))


if __name__ == "__main__":
    main()
