"""The files and variables that Google's command-line clients, `gcloud` and `bq`, need to come here."""

from localcloud.launcher.cloud import PROJECT, Cloud


def write_client_files(cloud: Cloud) -> None:
    """Bring up to date what `gcloud_variables` points at."""
    cloud.place.gcloud.mkdir(parents=True, exist_ok=True)
    rc = cloud.place.gcloud / "bigqueryrc"
    rc.write_text(f"api = {cloud.url('bigquery')}\nproject_id = {PROJECT}\n")
    # bq insists on a credential; the local BigQuery takes any.
    (cloud.place.gcloud / "access_token").write_text("local\n")


def gcloud_variables(cloud: Cloud) -> dict[str, str]:
    """What the clients read from the environment. bq knows no variable for its endpoint, only a file."""
    return {
        "CLOUDSDK_CONFIG": str(cloud.place.gcloud),
        "CLOUDSDK_CORE_PROJECT": PROJECT,
        "CLOUDSDK_CORE_CHECK_GCE_METADATA": "false",
        "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
        # These three keep gcloud from calling out.
        "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "true",
        "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK": "true",
        "CLOUDSDK_SURVEY_DISABLE_PROMPTS": "true",
        "CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "true",
        "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE": str(cloud.place.gcloud / "access_token"),
        # The slash at the end must be there.
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE": f"{cloud.url('storage')}/",
        "BIGQUERYRC": str(cloud.place.gcloud / "bigqueryrc"),
    }
