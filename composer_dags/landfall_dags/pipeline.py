"""The rendered contract of a dataset, as far as orchestration needs it."""

import json
from dataclasses import dataclass
from pathlib import Path

VERSION = 2


@dataclass(frozen=True)
class Compute:
    """What a cluster may be made of; bytes_per_worker counts uncompressed CSV."""

    machine_type: str
    primary_workers: int
    max_secondary_workers: int
    bytes_per_worker: int


@dataclass(frozen=True)
class Retries:
    """How often a task is tried in all, and the bounds of the pause between two tries."""

    attempts: int
    delay_seconds: int
    max_delay_seconds: int


@dataclass(frozen=True)
class Isolation:
    """How many runs a batch may fail before it is divided, and the bounds of the pause before the next."""

    runs: int
    pause_seconds: int
    max_pause_seconds: int


@dataclass(frozen=True)
class Pipeline:
    """One `pipeline.json`; `text` is the file as rendered, which a batch pins.

    A batch with a greater share of rejected rows than `max_rejected_share`, 0 to 1, is refused; `quality`
    names the rules that it is measured by. `splits` says whether a big plain file can be read in
    parts, `evolves` whether unknown columns are added to raw, `tokenises` whether
    a column needs the token key. What waits longer than `freshness_seconds` is stuck.
    """

    dataset: str
    contract_version: str
    description: str
    owner: str
    raw_table: str
    trusted_table: str
    rejected_table: str
    procedure: str
    replay_procedure: str
    max_rejected_share: float
    compute: Compute
    retries: Retries
    isolation: Isolation
    freshness_seconds: int
    quality: tuple[str, ...]
    splits: bool
    evolves: bool
    tokenises: bool
    text: str

    @property
    def dag_id(self) -> str:
        return f"ingest_{self.dataset}"


def parse_pipeline(text: str, where: str) -> Pipeline:
    """Understand the text of a `pipeline.json`; raises ValueError naming the file and what is wrong in it."""
    try:
        document = json.loads(text)
        if document["version"] != VERSION:
            raise ValueError(f"expected version {VERSION}, found {document['version']!r}")
        return Pipeline(
            dataset=document["dataset"],
            contract_version=document["contract_version"],
            description=document["description"],
            owner=document["owner"],
            raw_table=document["raw"]["table"],
            trusted_table=document["trusted"]["table"],
            rejected_table=document["rejected"]["table"],
            procedure=document["procedure"],
            replay_procedure=document["replay_procedure"],
            max_rejected_share=float(document["max_rejected_share"]),
            compute=Compute(**document["compute"]),
            retries=Retries(**document["retries"]),
            isolation=Isolation(**document["isolation"]),
            freshness_seconds=int(document["freshness_seconds"]),
            quality=tuple(rule["rule"] for rule in document.get("quality", ())),
            # The code units of UTF-16 may hold the byte of a line break.
            splits=document["format"]["encoding"] != "UTF-16",
            evolves=document["format"]["unknown_columns"] == "evolve",
            tokenises=any(
                column.get("protection", {}).get("method") == "tokenise" for column in document["columns"]
            ),
            text=text,
        )
    except KeyError as missing:
        raise ValueError(f"{where}: expected the key {missing}; found none. Run `make render`.") from missing
    except (TypeError, ValueError) as error:
        raise ValueError(f"{where}: {error}. Run `make render`.") from error


def load_pipelines(datasets_dir: Path) -> list[Pipeline]:
    """Read every `<dataset>/pipeline.json` of a folder, by name.

    Raises ValueError when there is none, or one cannot be understood or lies in another dataset's folder.
    """
    pipelines = []
    for path in sorted(datasets_dir.glob("*/pipeline.json")):
        pipeline = parse_pipeline(path.read_text(encoding="utf-8"), str(path))
        if pipeline.dataset != path.parent.name:
            raise ValueError(
                f"{path}: expected dataset {path.parent.name!r}, found {pipeline.dataset!r}. "
                "Run `make render`."
            )
        pipelines.append(pipeline)
    if not pipelines:
        raise ValueError(
            f"{datasets_dir}: expected <dataset>/pipeline.json, found none. Check LANDFALL_DATASETS_DIR."
        )
    return pipelines
