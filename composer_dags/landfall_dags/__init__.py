"""What the DAGs are made of: pure decisions, and one module for each service that they talk to."""
