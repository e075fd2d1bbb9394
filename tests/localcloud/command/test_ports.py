import socket
from pathlib import Path

import pytest

from localcloud.launcher.errors import CommandError
from localcloud.launcher.ports import FIRST, LAST, choose_ports, is_free

HOME = Path("/somewhere/.landfall")


def test_each_name_gets_a_port_of_its_own() -> None:
    chosen = choose_ports(["a", "b", "c"], {}, HOME, lambda _: True)
    assert len(set(chosen.values())) == 3
    assert all(FIRST <= port < LAST for port in chosen.values())


def test_the_same_folder_gets_the_same_ports_and_another_folder_others() -> None:
    mine = choose_ports(["a", "b"], {}, HOME, lambda _: True)
    assert mine == choose_ports(["a", "b"], {}, HOME, lambda _: True)
    other = choose_ports(["a", "b"], {}, Path("/elsewhere/.landfall"), lambda _: True)
    assert not set(mine.values()) & set(other.values())


def test_a_kept_port_stays_while_it_is_free_and_is_replaced_when_taken() -> None:
    kept = {"a": 23456, "b": 23457}
    chosen = choose_ports(["a", "b"], kept, HOME, lambda port: port != 23457)
    assert chosen["a"] == 23456
    assert chosen["b"] not in kept.values()


def test_no_free_port_is_said_with_the_remedy() -> None:
    with pytest.raises(CommandError, match="found none"):
        choose_ports(["a"], {}, HOME, lambda _: False)


def test_a_port_where_somebody_listens_is_not_free() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        assert not is_free(port)
    assert is_free(port)


def test_a_port_taken_on_every_address_is_not_free() -> None:
    with socket.socket() as server:
        server.bind(("0.0.0.0", 0))  # noqa: S104 that is the case under test
        server.listen()
        assert not is_free(server.getsockname()[1])
