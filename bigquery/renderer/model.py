"""The model of a dataset: what a contract says, once it is known to be sound."""

from dataclasses import dataclass

from bigquery.renderer.documentation import Documentation

# The ways in which values of a personal column are protected before anything is written.
DROP, MASK, HASH, TOKENISE = "drop", "mask", "hash", "tokenise"

# Classifications whose columns only the pipeline and the roles that name them may read.
FENCED = ("restricted",)


@dataclass(frozen=True)
class Notation:
    """How the values of a column are written in the files; empty where its type or the usual way says it."""

    formats: tuple[str, ...] = ()
    true_tokens: tuple[str, ...] = ()
    false_tokens: tuple[str, ...] = ()
    decimal_separator: str = ""
    group_separator: str = ""


@dataclass(frozen=True)
class Constraints:
    """What a value must be beyond its type.

    Limits are texts in the canonical form of the column's type (`12.5`, `2024-12-31`), lengths are counted in
    characters, the pattern is one of RE2 and is meant for the whole value.
    """

    minimum: str | None = None
    maximum: str | None = None
    exclusive_minimum: str | None = None
    exclusive_maximum: str | None = None
    min_length: int | None = None
    max_length: int | None = None
    pattern: str | None = None
    valid_values: tuple[str, ...] = ()


@dataclass(frozen=True)
class Protection:
    """What becomes of a personal value; `keep_last` characters stay readable where the method is mask."""

    method: str
    keep_last: int = 0


@dataclass(frozen=True)
class Column:
    """One column of the files and of both tables.

    `header` is its name in the files. `type` is a BigQuery type without parameters. `precision` and `scale`
    are set for NUMERIC and BIGNUMERIC only; `parameterised` says whether BigQuery is to hold them (a plain
    NUMERIC is (38, 9) by nature). `protection` is set where the column is personal, `classification` says who
    may read it.
    """

    name: str
    type: str
    description: str
    required: bool = False
    header: str = ""
    precision: int | None = None
    scale: int | None = None
    parameterised: bool = False
    notation: Notation = Notation()
    constraints: Constraints = Constraints()
    protection: Protection | None = None
    classification: str = "internal"

    @property
    def kept(self) -> bool:
        """Whether the tables have the column: a dropped one is checked in the files and goes no further."""
        return self.protection is None or self.protection.method != DROP


@dataclass(frozen=True)
class CsvFormat:
    """The dialect of the dataset's files.

    `escape` is empty where a quote is only ever doubled. `unknown_columns` says what becomes of columns that
    the contract does not name, `max_text_bytes` how large the text of a packed file may be.
    """

    delimiter: str
    quote: str
    escape: str
    encoding: str
    header: bool
    null_tokens: tuple[str, ...]
    unknown_columns: str
    max_text_bytes: int


@dataclass(frozen=True)
class QualityRule:
    """A measure of a batch's accepted rows and the bounds that it must keep.

    `columns` are those measured, none for a count of rows; `valid_values` or `pattern` say which values are
    no invalid ones. `threshold` is one number, or two where the operator is a between. A rule that is broken
    refuses the batch where `severity` is fail, and is recorded where it is warn.
    """

    name: str
    metric: str
    columns: tuple[str, ...]
    operator: str
    threshold: tuple[int | float, ...]
    unit: str
    severity: str
    valid_values: tuple[str, ...] = ()
    pattern: str | None = None


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
class Isolation:
    """How many runs a batch may make fail before it is divided, and the seconds that the dataset pauses after
    a failed one, doubling up to the maximum."""

    runs: int
    pause_seconds: int
    max_pause_seconds: int


@dataclass(frozen=True)
class Retention:
    """Days that each copy of the data is kept, counted from its arrival there; None for ever.

    `archive_days` are those of the originals, `rejected_days` of files set aside and of rejected rows,
    `raw_days` of raw's partitions, `lake_days` of the Parquet between the two.
    """

    archive_days: int | None
    rejected_days: int | None
    raw_days: int | None
    lake_days: int


@dataclass(frozen=True)
class Role:
    """People who read trusted: the rows for which `row_filter` is true, all where it is empty, and of the
    fenced columns those of `classifications`."""

    name: str
    description: str
    row_filter: str
    classifications: tuple[str, ...]


@dataclass(frozen=True)
class Operation:
    """How the batches of a dataset are run.

    One of which more than `max_rejected_share` (0 to 1) of the rows are rejected is refused.
    """

    max_rejected_share: float
    compute: Compute
    retries: Retries
    isolation: Isolation
    retention: Retention


@dataclass(frozen=True)
class Dataset:
    """All that the rendered files say about a dataset.

    `freshness_seconds` are promised from the landing of a file until it is readable in trusted. `key` names
    columns, in order. `duplicate_keys` says what becomes of a key that a file holds more than once.
    """

    name: str
    version: str
    description: str
    owner: str
    freshness_seconds: int
    format: CsvFormat
    mode: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    duplicate_keys: str
    partitioning: Partitioning | None
    clustering: tuple[str, ...]
    quality: tuple[QualityRule, ...]
    roles: tuple[Role, ...]
    operation: Operation
    documentation: Documentation

    @property
    def raw_table(self) -> str:
        return f"raw.{self.name}"

    @property
    def live_view(self) -> str:
        return f"raw.{self.name}_live"

    @property
    def trusted_table(self) -> str:
        return f"trusted.{self.name}"

    @property
    def rejected_table(self) -> str:
        return f"ops.rejected_rows_{self.name}"

    @property
    def procedure(self) -> str:
        return f"ops.sp_trusted_{self.name}"

    @property
    def replay_procedure(self) -> str:
        return f"ops.sp_replay_{self.name}"

    @property
    def kept(self) -> tuple[Column, ...]:
        """The columns that the tables have."""
        return tuple(column for column in self.columns if column.kept)

    @property
    def required(self) -> tuple[str, ...]:
        """Names of the tables' columns that hold a value in every row."""
        return tuple(column.name for column in self.kept if column.required)

    @property
    def restricted(self) -> tuple[str, ...]:
        """Names of the tables' columns that only roles which say so may read."""
        return tuple(column.name for column in self.kept if column.classification in FENCED)

    def column(self, name: str) -> Column:
        """The column of that name; KeyError where there is none."""
        return {column.name: column for column in self.columns}[name]
