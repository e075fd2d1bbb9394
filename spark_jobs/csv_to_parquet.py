"""Turn one batch of CSV files into typed Parquet: the Spark step of every dataset.

    spark-submit --py-files landfall_spark.zip csv_to_parquet.py \\
        --manifest URI --pipeline URI --output URI [--secrets-url URL]

Exit codes: 0 success, 1 the batch could not be turned, 2 usage.
"""

from __future__ import annotations

import argparse
import functools
import sys
from collections.abc import Sequence

from landfall_spark import job, logs, secret
from landfall_spark.errors import JobError
from landfall_spark.session import open_session


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line; wrong usage ends the process with code 2."""
    parser = argparse.ArgumentParser(prog="csv_to_parquet.py", allow_abbrev=False)
    parser.add_argument("--manifest", required=True, help="URI of the batch's manifest.json")
    parser.add_argument("--pipeline", required=True, help="URI of the dataset's pipeline.json")
    parser.add_argument(
        "--output",
        required=True,
        help="URI of this attempt's own folder, .../<dataset>/<batch_id>/attempts/<job id>",
    )
    parser.add_argument(
        "--secrets-url", default=secret.DEFAULT_URL, help="Secret Manager; default %(default)s"
    )
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> int:
    """Run the job and return the process's exit code."""
    options = parse_arguments(arguments)
    logs.start()
    session = open_session("csv_to_parquet")
    try:
        fetch_key = functools.partial(secret.fetch_key, secrets_url=options.secrets_url)
        job.run(session, options.manifest, options.pipeline, options.output, fetch_key)
    except JobError as error:
        logs.error(str(error))
        return 1
    finally:
        session.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
