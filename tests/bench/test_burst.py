"""What the burst rests on: contracts of any number of datasets, and files whose sums are known."""

import csv
import json
from pathlib import Path

from tests.bench.burst.contracts import ROOT, write_contracts
from tests.bench.burst.counts import Steps, count_outcomes
from tests.bench.burst.plan import Costs, make_plan
from tests.bench.burst.uploads import Truth, find_truth, make_file


def test_datasets_are_copies_of_one_contract_under_names_of_their_own(tmp_path: Path) -> None:
    assert write_contracts(tmp_path, 3) == ["burst_001", "burst_002", "burst_003"]
    model = (ROOT / "bigquery" / "datasets" / "comp_boss" / "pipeline.json").read_text()
    rendered = json.loads((tmp_path / "burst_002" / "pipeline.json").read_text())
    assert rendered == json.loads(model.replace("comp_boss", "burst_002"))
    assert "comp_boss" not in "".join(path.read_text() for path in tmp_path.glob("*/*"))


def test_the_files_add_up_to_the_truth() -> None:
    columns = json.loads((ROOT / "bigquery" / "datasets" / "comp_boss" / "pipeline.json").read_text())[
        "columns"
    ]
    truth = find_truth(["a", "b", "c"], 7)
    assert truth == {"a": Truth(3, 30, 90), "b": Truth(2, 20, 50), "c": Truth(2, 20, 70)}
    keys = set()
    for place, name in enumerate(truth):
        rows = [row for n in range(place, 7, 3) for row in csv.DictReader(make_file(n).decode().splitlines())]
        assert (len(rows), sum(int(row["weight"]) for row in rows)) == (truth[name].rows, truth[name].weight)
        assert [*rows[0]] == [column["name"] for column in columns]
        keys |= {row["component_id"] for row in rows}
    assert len(keys) == 70


def test_outcomes_are_read_from_the_functions_log_whatever_else_is_in_it(tmp_path: Path) -> None:
    log = tmp_path / "function.log"
    entries = [
        {"logging.googleapis.com/labels": {"outcome": one}} for one in ("triggered", "joined", "joined")
    ]
    log.write_text("\n".join(["started", *map(json.dumps, entries), ""]))
    assert count_outcomes(log) == {"triggered": 1, "joined": 2}


def test_a_step_is_a_row_of_its_median_its_longest_and_its_sum() -> None:
    assert Steps("claim_batch", (1.0, 2.0, 6.0)).row() == "| claim_batch | 3 | 2.0 | 6.0 | 9 |"


def test_a_plan_follows_from_the_length_of_a_window() -> None:
    costs = Costs(run_seconds=200, file_seconds=0.0, merge_seconds=4)
    plan = make_plan(1_440_000, 100, 600, costs)
    assert (plan.cycle_seconds, plan.files_a_batch, plan.batches_a_day) == (600, 100, 14_400)
    assert plan.used["table_loads"] == 144
    assert plan.used["cluster_calls"] == 20
    assert abs(plan.used["merges"] - 4 / 6) < 1e-9


def test_a_window_shorter_than_a_run_is_as_long_as_the_run() -> None:
    # 0.1 files a second and a second for each: a run of 180 s takes the 20 files of the 200 s that it lasts.
    plan = make_plan(8_640, 1, 60, Costs(run_seconds=180, file_seconds=1.0))
    assert abs(plan.cycle_seconds - 200) < 1e-9
    assert abs(plan.files_a_batch - 20) < 1e-9
