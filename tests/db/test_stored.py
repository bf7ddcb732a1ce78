"""Values that an earlier version stored can still be read, and what is stored comes back the same."""

import json

import pytest
from pydantic import TypeAdapter

from db.columns import Stored
from engine.fairness import AnalysisType, BiasOptions, BiasReport, Metric, Quantity, Threshold, Verdict
from engine.tables import ColumnType, RoleHint, TableFormat, TableProfile
from tests.builders import STORED, stored

KINDS = {"bias_report": BiasReport, "bias_options": BiasOptions, "table_profile": TableProfile}


def test_every_stored_sample_is_read_by_a_test():
    assert {path.stem for path in STORED.glob("*.json")} == KINDS.keys()


def test_an_old_report_still_reads():
    report = stored("bias_report", BiasReport)
    assert report.kind is AnalysisType.COMPREHENSIVE
    assert report.verdict is Verdict.FAIL
    race = report.attributes[0]
    assert (race.attribute, race.reference_group) == ("race", "white")
    rates = {
        group.name: each.value
        for group in race.groups
        for each in group.metrics
        if each.quantity is Quantity.SELECTION_RATE
    }
    assert rates == {"white": 160 / 200, "black": 60 / 160}
    gap = next(f for f in race.findings if f.metric is Metric.DEMOGRAPHIC_PARITY_DIFFERENCE)
    assert gap.value == pytest.approx(0.8 - 0.375, abs=1e-15)


def test_old_options_still_read():
    limit = Threshold(metric=Metric.DEMOGRAPHIC_PARITY_RATIO, limit=0.75)
    options = stored("bias_options", BiasOptions)
    assert (options.confidence, options.bootstrap_samples, options.seed) == (0.95, 100, 0)
    assert tuple(options.thresholds) == (limit,)


def test_an_old_profile_still_reads():
    profile = stored("table_profile", TableProfile)
    assert (profile.rows, profile.bytes, profile.format) == (360, 4711, TableFormat.CSV)
    race, approved = profile.columns
    assert (race.name, race.type, race.role_hints) == ("race", ColumnType.STRING, (RoleHint.PROTECTED,))
    assert (approved.minimum, approved.maximum, approved.nulls) == ("0", "1", 3)


@pytest.mark.parametrize("name", KINDS)
def test_what_is_written_back_is_what_was_there(name):
    column = Stored(KINDS[name])
    content = json.loads((STORED / f"{name}.json").read_text())
    value = column.process_result_value(content, None)
    again = column.process_bind_param(value, None)
    assert among(again, content) == content


def among(written, stored):
    """What was written of that which was stored: fields that have come since are left out."""
    if isinstance(stored, dict):
        return {key: among(written[key], value) for key, value in stored.items()}
    if isinstance(stored, list) and len(stored) == len(written):
        return [among(one, other) for one, other in zip(written, stored, strict=True)]
    return written


@pytest.mark.parametrize("name", KINDS)
def test_a_value_with_an_unknown_field_of_a_later_version_still_reads(name):
    """While a new version rolls out, the old one meets what the new one wrote."""
    content = json.loads((STORED / f"{name}.json").read_text()) | {"from_the_future": 1}
    assert TypeAdapter(KINDS[name]).validate_python(content) == stored(name, KINDS[name])
