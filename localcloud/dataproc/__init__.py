"""Dataproc on one machine: Google's gRPC services for clusters and jobs, with spark-submit behind them."""
