"""What the contract's quality rules found in a batch, as the Spark job measured it. Pure."""

from dataclasses import dataclass
from typing import Any

FAIL, WARN = "fail", "warn"


@dataclass(frozen=True)
class RuleResult:
    """One rule: `found`, in its unit (rows or percent), of `total` accepted rows, against its threshold."""

    rule: str
    metric: str
    columns: tuple[str, ...]
    severity: str
    operator: str
    threshold: tuple[float, ...]
    unit: str
    found: float
    total: int
    passed: bool

    @property
    def sentence(self) -> str:
        """What was expected and what was found: `rule cost_filled: expected nullValues of cost …`."""
        measured = f"{self.metric} of {', '.join(self.columns)}" if self.columns else self.metric
        threshold = " and ".join(f"{value:g}" for value in self.threshold)
        return (
            f"rule {self.rule}: expected {measured} {self.operator} {threshold} {self.unit}, "
            f"found {self.found:g} {self.unit} in {self.total} accepted rows"
        )


def parse_result(document: dict[str, Any]) -> RuleResult:
    """Understand a rule of metrics.json; raises KeyError, TypeError or ValueError."""
    severity, passed = document["severity"], document["passed"]
    if severity not in (FAIL, WARN) or not isinstance(passed, bool):
        raise ValueError(f"quality rule {document['rule']!r}: severity {severity!r}, passed {passed!r}")
    return RuleResult(
        rule=str(document["rule"]),
        metric=str(document["metric"]),
        columns=tuple(map(str, document["columns"])),
        severity=severity,
        operator=str(document["operator"]),
        threshold=tuple(map(float, document["threshold"])),
        unit=str(document["unit"]),
        found=float(document["found"]),
        total=int(document["total"]),
        passed=passed,
    )
