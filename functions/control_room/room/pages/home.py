"""The first page: where a file is asked for, and how each dataset stands."""

import flask

from room.datasets import count_today, describe_datasets
from room.home_questions import last_batches
from room.place import here

PAGE = flask.Blueprint("home", __name__)


@PAGE.get("/")
def show_home() -> str:
    """Search, the figures of today, and the datasets, those in trouble first."""
    room = here()
    looking, now = room.pending.begin(), room.clock()
    last = room.warehouse.ask(last_batches(now))
    waiting = looking.result()
    standings = describe_datasets(room.catalogue.datasets, waiting, last, now)
    return flask.render_template(
        "home.html", standings=standings, today=count_today(standings), waiting=waiting
    )
