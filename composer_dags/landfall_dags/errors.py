"""The errors that decide what happens next; everything else is left to Airflow's retries."""

from collections.abc import Iterable


class TerminalError(Exception):
    """Trying again cannot help: the message says what was expected, what was found, where, and what to do."""


class BatchFault(Exception):  # noqa: N818 - whose fault it is decides what happens to the batch
    """The batch itself made a step fail, and no outage: without it, or divided, the step would go through.

    `suspects` are the identities of those of its files that are known to have been at hand; none: any may be.
    """

    def __init__(self, message: str, suspects: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.suspects = tuple(suspects)
