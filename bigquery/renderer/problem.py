"""What can be wrong with a contract, and how it is told."""

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Problem:
    """One thing to mend. `path` is a place in the file, such as `schema[0].properties[3].physicalType`."""

    path: str
    expected: str
    found: str
    remedy: str

    def __str__(self) -> str:
        return (
            f"  {self.path}\n"
            f"    expected: {self.expected}\n"
            f"    found:    {self.found}\n"
            f"    remedy:   {self.remedy}"
        )


@dataclass
class Problems:
    """Collects what is wrong, so that a contract is refused once, with everything that is wrong in it."""

    found: list[Problem] = field(default_factory=list)

    def add(self, path: str, expected: str, found: object, remedy: str) -> None:
        """Note one problem, once however many columns meet it.

        `found` is shown as written, or as `nothing` where it is missing.
        """
        problem = Problem(path, expected, shown(found), remedy)
        if problem not in self.found:
            self.found.append(problem)


class ContractError(Exception):
    """A contract that cannot be rendered, with every problem found in it."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(problems)
        self.problems = tuple(problems)

    def told(self, file: str) -> str:
        """The report for a reader of `file`: a headline and one block a problem."""
        count = len(self.problems)
        headline = f"{file}: {count} problem{'s' if count > 1 else ''}"
        return "\n".join([headline, *map(str, self.problems)]) + "\n"


def shown(value: object) -> str:
    """How a value found in a contract is written in a message."""
    if value is None:
        return "nothing"
    return value if isinstance(value, str) and " " in value.strip() else repr(value)
