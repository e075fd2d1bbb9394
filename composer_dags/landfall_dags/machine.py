"""What the name of a machine type says. Pure."""

import re
from dataclasses import dataclass

_NAME = re.compile(r"([a-z][a-z0-9]*)-([a-z]+)-([0-9]+)")
# GB a vCPU: the least of any family, so that what is planned with it fits on every machine of the kind.
_LEAST_GB_PER_VCPU = {"standard": 3.75, "highmem": 6.5, "highcpu": 0.9}


@dataclass(frozen=True)
class Machine:
    """A machine of a family (`e2`) and a kind (`standard`)."""

    family: str
    kind: str
    vcpus: int

    @property
    def least_memory_mb(self) -> int | None:
        """What it has at least, in MiB; None for a kind that is not known here."""
        gigabytes = _LEAST_GB_PER_VCPU.get(self.kind)
        return None if gigabytes is None else int(gigabytes * self.vcpus * 1024)


def parse_machine(name: str) -> Machine | None:
    """`e2-standard-4` as a Machine; None for a name that does not say what it is, such as a custom type's."""
    match = _NAME.fullmatch(name)
    return None if match is None else Machine(match[1], match[2], int(match[3]))
