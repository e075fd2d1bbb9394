import configparser
import json
import stat
from pathlib import Path

from localcloud.airflow import config

KEYS = {"fernet_key": "f%f=", "secret_key": "s", "jwt_secret": "j"}


def test_the_configuration_follows_the_port_and_survives_odd_folders(tmp_path: Path) -> None:
    home = tmp_path / "100% mine"
    options = config.make_configuration(home, Path("/dags"), "http://127.0.0.1:20123", KEYS, "p")
    parser = configparser.ConfigParser()
    parser.read_string(config.render_configuration(options))
    assert parser["core"]["execution_api_server_url"] == "http://127.0.0.1:20123/execution/"
    assert parser["core"]["fernet_key"] == "f%f="
    assert (parser["api"]["host"], parser["api"]["port"]) == ("127.0.0.1", "20123")
    assert parser["database"]["sql_alchemy_conn"] == f"sqlite:///{home}/airflow.db?timeout=60"


def test_keys_are_made_once_and_only_their_owner_reads_them(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    keys = config.read_keys(path)
    assert config.read_keys(path) == keys
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(keys["jwt_secret"]) >= 64


def test_the_home_has_what_airflow_reads(tmp_path: Path) -> None:
    home = tmp_path / "airflow"
    config.write_home(home, Path("/dags"), "http://127.0.0.1:20123", "p")
    config.write_home(home, Path("/dags"), "http://127.0.0.1:20124", "p")
    assert stat.S_IMODE((home / "airflow.cfg").stat().st_mode) == 0o600
    assert "port = 20124" in (home / "airflow.cfg").read_text()
    assert (home / "config" / "airflow_local_settings.py").exists()


def test_the_connection_is_anonymous_and_knows_its_project() -> None:
    assert json.loads(config.make_connection("p"))["extra"] == {"project": "p", "is_anonymous": True}


def test_openlineage_writes_into_a_file_or_is_off_and_never_speaks_for_our_dags(tmp_path: Path) -> None:
    def section(events: Path | None) -> configparser.SectionProxy:
        options = config.make_configuration(tmp_path, Path("/dags"), "http://h:1", KEYS, "p", events)
        parser = configparser.ConfigParser()
        parser.read_string(config.render_configuration(options))
        return parser["openlineage"]

    assert section(None)["disabled"] == "True"
    assert "transport" not in section(None)
    events = tmp_path / "100%" / "events.ndjson"
    transport = {"type": "file", "log_file_path": str(events), "append": True}
    assert json.loads(section(events)["transport"]) == transport
    assert section(events)["namespace"] == "p"
    (rule,) = json.loads(section(events)["emission_policy"])
    assert (rule["controls"], rule["locked"]) == ({"emit": False}, True)
