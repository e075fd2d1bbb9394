"""Airflow reads these once, when it is first imported."""

import os
import tempfile

os.environ.setdefault("AIRFLOW_HOME", tempfile.mkdtemp(prefix="landfall-dags-"))
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
