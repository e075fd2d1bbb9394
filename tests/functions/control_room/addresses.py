"""An address or more of each route of the control room, in a world with one batch."""

from tests.functions.control_room.world import LANDING, World, batch, batch_id, file, rejected_row

# Of each route of the application an address that answers; a new route needs one here.
ADDRESSES = {
    "home.show_home": ("/",),
    "batches.show_batches": ("/batches", "/batches?dataset=price_quote&state=failed", "/batches?page=7"),
    "batches.show_batch": (f"/batches/price_quote/{batch_id(1)}",),
    "files.show_files": ("/files", "/files?q=nothing-like-this", "/files?dataset=price_quote&state=loaded"),
    "files.show_file": (f"/file?uri=gs://{LANDING}/price_quote/a.csv&generation=1",),
    "rejected.show_rejected": ("/rejected", f"/rejected?dataset=price_quote&batch={batch_id(1)}"),
    "rejected.export": ("/rejected.csv?dataset=price_quote",),
    "report.show_report": ("/report", "/report?from=2013-01-01&to=2013-12-31"),
    "report.export": ("/report.csv?by=supplier",),
    "catalogue.show_catalogue": ("/catalogue", "/catalogue?q=cost"),
    "catalogue.show_dataset": ("/catalogue/price_quote",),
    "catalogue.show_mart": ("/catalogue/marts/fact_quote",),
    "healthz": ("/healthz",),
    "static": ("/assets/style.css",),
}
ALL = [address for addresses in ADDRESSES.values() for address in addresses]
PAGES = [one for one in ALL if not one.startswith(("/healthz", "/assets")) and ".csv?" not in one]


def furnish(world: World) -> None:
    """Write the batch that the addresses name: with a file, and a rejected row of it."""
    world.record(batch("price_quote", 1, rows_rejected=1))
    world.record_files(file("price_quote", 1, "a.csv", rows_rejected=1))
    world.reject(rejected_row("price_quote", 1))
