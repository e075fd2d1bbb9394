"""The Data Lineage API on one machine: what Airflow's OpenLineage events say, as Google's API tells it."""
