"""How often intervals hold what is true: a small part of `benchmarks/coverage.py`, with its seeds."""

import pytest

from benchmarks.coverage import held
from benchmarks.scenes import scenes
from engine.fairness import Metric
from engine.fairness.metrics import METRICS

RUNS = 40
SLOW = ("3 of 300", "2,400", "5,200", "5,000", "40 of", "1,000")
SMALL = [scene for scene in scenes() if not any(word in scene.name for word in SLOW)]


@pytest.mark.parametrize("scene", [pytest.param(each, id=f"{each.family}, {each.name}") for each in SMALL])
def test_intervals_hold_the_truth_and_p_values_seldom_alarm(scene):
    # of 40 intervals at 0.95 fewer than 33 hold the truth with a chance below 0.1 %; the same of 8 false alarms
    for metric, (kept, alarms) in held(scene, RUNS, 100).items():
        assert kept >= 33 / RUNS, metric
        if scene.truth[metric] == METRICS[metric].fair:
            assert alarms <= 7 / RUNS, metric


def test_each_kind_of_model_has_its_scene():
    judged = {metric for scene in SMALL for metric in scene.truth}
    assert {METRICS[metric].model for metric in judged} == {spec.model for spec in METRICS.values()}
    assert {Metric.AUC_DIFFERENCE, Metric.ABROCA, Metric.CALIBRATION_DIFFERENCE} <= judged
