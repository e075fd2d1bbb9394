"""The fast cloud of the chaos suite: real parts and DAGs, and an executor in the scheduler's place."""
