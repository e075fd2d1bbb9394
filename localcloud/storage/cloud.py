"""All state of one local Cloud Storage, put together."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request

from localcloud.faults.reader import Faults
from localcloud.storage.buckets import BucketStore
from localcloud.storage.database import Database
from localcloud.storage.folder import Folder
from localcloud.storage.objects import ObjectStore
from localcloud.storage.outbox import Outbox, Subscription
from localcloud.storage.uploads import UploadStore


@dataclass(frozen=True)
class Settings:
    """How the process was started; `endpoint` is the URL, without a path, under which it answers.

    `faults` is the file of rules by which it fails on purpose, None for never.
    """

    port: int
    buckets: Path
    state: Path
    project: str
    subscriptions: Sequence[Subscription]
    faults: Path | None = None

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@dataclass(frozen=True)
class Cloud:
    """What the routes work on."""

    settings: Settings
    database: Database
    buckets: BucketStore
    objects: ObjectStore
    uploads: UploadStore
    outbox: Outbox
    faults: Faults


def open_cloud(settings: Settings) -> Cloud:
    """Open the state of an earlier process, or a new one, and bring files and rows in step."""
    database, folder = Database(settings.state), Folder(settings.buckets)
    outbox = Outbox(database, settings.subscriptions, settings.endpoint)
    objects = ObjectStore(database, folder, outbox)
    buckets = BucketStore(database, folder, objects)
    uploads = UploadStore(database, folder, objects, settings.endpoint)
    buckets.recover()
    uploads.forget_old()
    objects.recover(drafts_in_use=uploads.drafts_in_use())
    outbox.forget_old()
    return Cloud(settings, database, buckets, objects, uploads, outbox, Faults(settings.faults))


def cloud_of(request: Request) -> Cloud:
    """The state that a request works on."""
    cloud: Cloud = request.app.state.cloud
    return cloud
