"""The model of a dataset: what a contract says, once it is known to be sound."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """One column of the files and of both tables.

    `type` is a BigQuery type without parameters. `precision` and `scale` are set for NUMERIC and BIGNUMERIC
    only; `parameterised` says whether BigQuery is to hold them (a plain NUMERIC is (38, 9) by nature).
    """

    name: str
    type: str
    description: str
    required: bool = False
    precision: int | None = None
    scale: int | None = None
    parameterised: bool = False
    formats: tuple[str, ...] = ()
    true_tokens: tuple[str, ...] = ()
    false_tokens: tuple[str, ...] = ()


@dataclass(frozen=True)
class CsvFormat:
    """The dialect of the dataset's files."""

    delimiter: str
    quote: str
    encoding: str
    null_tokens: tuple[str, ...]


@dataclass(frozen=True)
class Partitioning:
    """Time partitioning of trusted: a DATE, DATETIME or TIMESTAMP column, by HOUR, DAY, MONTH or YEAR."""

    field: str
    granularity: str


@dataclass(frozen=True)
class Compute:
    """The cluster of a batch. `bytes_per_worker` are bytes of files for each worker."""

    machine_type: str
    primary_workers: int
    max_secondary_workers: int
    bytes_per_worker: int


@dataclass(frozen=True)
class Retries:
    """How often a failed step is tried, and the seconds between, doubling up to the maximum."""

    attempts: int
    delay_seconds: int
    max_delay_seconds: int


@dataclass(frozen=True)
class Dataset:
    """All that the rendered files say about a dataset.

    `key` names columns, in order. A batch of which more than `max_rejected_share` (0 to 1) of the rows are
    rejected is refused.
    """

    name: str
    version: str
    description: str
    owner: str
    format: CsvFormat
    mode: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    partitioning: Partitioning | None
    clustering: tuple[str, ...]
    max_rejected_share: float
    compute: Compute
    retries: Retries

    @property
    def raw_table(self) -> str:
        return f"raw.{self.name}"

    @property
    def trusted_table(self) -> str:
        return f"trusted.{self.name}"

    @property
    def procedure(self) -> str:
        return f"ops.sp_trusted_{self.name}"

    @property
    def required(self) -> tuple[str, ...]:
        """Names of the columns that hold a value in every row."""
        return tuple(column.name for column in self.columns if column.required)

    def column(self, name: str) -> Column:
        """The column of that name; KeyError where there is none."""
        return {column.name: column for column in self.columns}[name]
