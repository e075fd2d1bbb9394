import pytest

from landfall_dags.cluster import Shape
from landfall_dags.cost import Cost, estimate


def test_an_hour_of_one_machine_is_its_price_and_the_fee() -> None:
    assert estimate(Shape("e2-standard-4", 0, 0), 3600) == Cost(4 * 3600, 0.174023)
    assert estimate(Shape("n2-standard-4", 0, 0), 3600) == Cost(4 * 3600, 0.234236)


def test_spot_workers_cost_their_share_and_the_whole_fee() -> None:
    cost = estimate(Shape("e2-standard-4", 3, 2), 3600)
    assert cost.vcpu_seconds == 6 * 4 * 3600
    assert cost.dollars == pytest.approx(4.8 * 0.13402284 + 24 * 0.010, abs=1e-6)


def test_a_minute_is_the_least_that_is_billed() -> None:
    assert estimate(Shape("e2-standard-4", 2, 0), 1) == estimate(Shape("e2-standard-4", 2, 0), 60)
    assert estimate(Shape("e2-standard-4", 2, 0), 61).vcpu_seconds == 3 * 4 * 61


def test_an_unknown_price_is_not_made_up() -> None:
    assert estimate(Shape("c4-standard-8", 0, 0), 60) == Cost(480, None)
    assert estimate(Shape("custom", 0, 0), 60) == Cost(None, None)
