"""The two families of errors at this edge, and the one predicate that says which answers to ask for again."""


class TerminalError(Exception):
    """The same event would fail in the same way again: it is recorded and acknowledged."""


class TransientError(Exception):
    """The same event may succeed later: it is raised, and the platform delivers the event again."""


TRANSIENT_STATUSES = frozenset(
    {
        # Airflow answers so for a DAG whose file has import errors now: the next deployment mends it. (Its
        # other causes are a malformed run id or parameter, which this function never sends.)
        400,
        # The token expired between two clocks, or the role of the function's account is not granted yet.
        401,
        403,
        # The DAG may only be unparsed yet: a new dataset's first file often comes before its DAG.
        404,
        # Something answers at the address, but not Airflow's API: a load balancer while Airflow is replaced.
        405,
        # The server gave up waiting for the request, or asks to slow down.
        408,
        429,
    }
)


def is_transient_status(status: int) -> bool:
    """Tell whether an HTTP answer of Airflow, other than 200 and 409, is worth asking again.

    Redirects are: they lead to a login page, so access is being set up. So is every 5xx: the server's own
    trouble. What is left (413, 415, 422, …) refuses the request itself, and the next one would be the same.
    """
    return status in TRANSIENT_STATUSES or 300 <= status < 400 or status >= 500
