"""Kills whoever made a request, found by its socket: so a task or the function dies inside a step."""

import os
from pathlib import Path

import psutil

from localcloud.launcher.process import MARK, find_marked

_GONE = (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess)


def kill_client(client_port: int, server_port: int) -> int | None:
    """SIGKILL the process that connected from `client_port` to `server_port`, both on loopback.

    Returns its id; None when it is gone or is no part of this process's own local cloud: a shell, a browser
    and the parts of another state folder are left alone.
    """
    home = os.environ.get(MARK)
    ends = (client_port, server_port)
    holders = [process for process in find_marked(Path(home)) if _holds(process, ends)] if home else []
    # A child that was forked meanwhile holds the socket too, but its parent is the one who made it.
    for process in sorted(holders, key=lambda process: process.create_time()):
        try:
            process.kill()
        except _GONE:
            continue
        return process.pid
    return None


def _holds(process: psutil.Process, ends: tuple[int, int]) -> bool:
    try:
        connections = process.net_connections("tcp")
    except _GONE:
        return False
    return process.pid != os.getpid() and any(
        connection.raddr and (connection.laddr.port, connection.raddr.port) == ends
        for connection in connections
    )
