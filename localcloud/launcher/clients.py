"""Google's own clients, pointed at the local cloud; nothing of the user's environment reaches them."""

from typing import TYPE_CHECKING

from localcloud.faults.answers import EXEMPT_HEADER
from localcloud.launcher.cloud import BIGQUERY_LOCATION, PROJECT, Cloud

if TYPE_CHECKING:
    from google.cloud import bigquery, storage  # type: ignore[attr-defined]


def storage_client(cloud: Cloud) -> "storage.Client":
    """A client of the local Cloud Storage."""
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import storage  # type: ignore[attr-defined]

    return storage.Client(
        project=PROJECT,
        credentials=AnonymousCredentials(),  # type: ignore[no-untyped-call]
        client_options={"api_endpoint": cloud.url("storage")},
        extra_headers={EXEMPT_HEADER: "yes"},
    )


def bigquery_client(cloud: Cloud) -> "bigquery.Client":
    """A client of the local BigQuery."""
    from localcloud.warehouse import connect

    return connect(cloud.url("bigquery"), PROJECT, BIGQUERY_LOCATION)
