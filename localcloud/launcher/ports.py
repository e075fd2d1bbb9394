"""Free ports on loopback, the same ones each time if possible."""

import socket
import zlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from localcloud.launcher.errors import CommandError

HOST = "127.0.0.1"
# Below the ports that systems give to outgoing connections (Linux: 32768 up, macOS: 49152 up).
FIRST, LAST = 20000, 32000


def is_free(port: int) -> bool:
    """Whether a server may listen on this loopback port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as client:
        client.settimeout(1)
        if client.connect_ex((HOST, port)) == 0:
            return False
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as server:
        # Connections of the last run that still linger must not count.
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            server.bind((HOST, port))
        except OSError:
            return False
    return True


def choose_ports(
    names: Iterable[str], kept: Mapping[str, int], home: Path, free: Callable[[int], bool] = is_free
) -> dict[str, int]:
    """A free port for each name: the kept one if it is still free, else one from a range that `home` picks.

    Two state folders thus start at different ports, and one folder at the same ones even after a reset.
    """
    chosen = {name: kept[name] for name in names if name in kept and free(kept[name])}
    taken = set(chosen.values()) | set(kept.values())
    start = zlib.crc32(str(home).encode()) % ((LAST - FIRST) // 16) * 16
    candidates = (FIRST + (start + step) % (LAST - FIRST) for step in range(LAST - FIRST))
    for name in names:
        if name not in chosen:
            port = next((port for port in candidates if port not in taken and free(port)), None)
            if port is None:
                raise CommandError(
                    f"expected a free port between {FIRST} and {LAST} on {HOST}, found none. "
                    "End what listens there (`ss -ltn` shows it), then repeat."
                )
            chosen[name] = port
            taken.add(port)
    return {name: chosen[name] for name in names}
