"""BigQuery on one machine: bqemulator behind a launcher that corrects what landfall relies on.

Every correction is one module here, named in README.md, and tested in tests/localcloud/bigquery.
"""
