"""The pages, each a blueprint in a module of its own: questions, what they mean, a template."""

from room.pages import batches, catalogue, files, home, rejected, report

PAGES = (home.PAGE, batches.PAGE, files.PAGE, rejected.PAGE, report.PAGE, catalogue.PAGE)
