"""What a bias report says of mitigation: where it offers one, under which constraint, and what there is to send."""

import json
from dataclasses import replace

from engine.fairness import Bands, BiasReport, Recommendation
from engine.mitigation.offering import offered
from engine.models.signature import Feature, FeatureType, ModelFormat, Task
from tests.builders import a_signature, stored

REPORT = stored("bias_report", BiasReport)  # fails for race
INCOME = Feature(name="income", type=FeatureType.NUMBER)
SIGNATURE = a_signature(format=ModelFormat.SKOPS, task=Task.BINARY, classes=("0", "1"), features=(INCOME,))


def for_race(times: float = 1.0, bands: list[Bands] | None = None) -> Recommendation:
    """What is offered for race where its groups are so many times as large."""
    race = next(each for each in REPORT.attributes if each.attribute == "race")
    groups = tuple(
        replace(
            group,
            size=int(group.size * times),
            metrics=tuple(
                replace(each, denominator=each.denominator and int(each.denominator * times))
                for each in group.metrics
            ),
        )
        for group in race.groups
    )
    report = replace(REPORT, attributes=(replace(race, groups=groups),))
    return offered(report, SIGNATURE, bands or []).recommendations[-1]


def test_a_report_offers_it_only_where_model_and_label_allow_it() -> None:
    truths = offered(REPORT, replace(SIGNATURE, classes=("False", "True"))).recommendations
    assert truths[-1].settings[-1] == "favorable: True"  # the report's is 1
    looking = replace(SIGNATURE, features=(replace(INCOME, name="approved"),))
    for other in (looking, replace(SIGNATURE, classes=("no", "yes")), a_signature(format=ModelFormat.ONNX)):
        assert offered(REPORT, other) == REPORT
    assert offered(replace(REPORT, label=None), SIGNATURE).recommendations == REPORT.recommendations


def test_it_offers_the_worst_gap_between_groups_that_are_large_enough_to_measure_it() -> None:
    # true positive rates 120/120 and 40/80 are 0.5 apart, but of 80 rows with a favourable label only 24 are held out;
    # selection rates 160/200 and 60/160 are 0.425 apart, and 60 and 48 rows held out
    offer = for_race()
    assert offer.settings[1:] == ("constraint: DEMOGRAPHIC_PARITY", "label: approved", "favorable: 1")
    assert "too small" not in offer.text
    assert for_race(times=2).settings[1] == "constraint: EQUALIZED_ODDS"
    assert "may be too small for that" in for_race(times=0.1).text


def test_what_there_is_to_send_has_the_options_of_the_analysis() -> None:
    proposal = for_race(bands=[Bands(attribute="race", edges=[1.5])]).proposal
    assert proposal is not None
    assert json.loads(proposal.variables)["input"]["options"] == {
        "label": "approved",
        "attribute": "race",
        "constraint": "DEMOGRAPHIC_PARITY",
        "favorable": "1",
        "bands": [1.5],
    }
