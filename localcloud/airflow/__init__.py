"""Airflow on one machine: its configuration, and what it loads at start."""
