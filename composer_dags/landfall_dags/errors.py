"""The one error family that a retry cannot help; everything else is left to Airflow's retries."""


class TerminalError(Exception):
    """Trying again cannot help: the message says what was expected, what was found, where, and what to do."""
