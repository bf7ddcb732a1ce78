"""Values that an earlier version stored can still be read, and what is stored comes back the same."""

import json

import pytest
from pydantic import TypeAdapter
from sqlmodel import SQLModel

import db.tables  # noqa: F401  # so that SQLModel knows them
from db.columns import Stored
from engine.explanations.options import ExplanationKind, ExplanationOptions
from engine.explanations.report import ExplanationMethod, ExplanationReport, RowExplanation
from engine.fairness import (
    AnalysisType,
    BiasColumns,
    BiasOptions,
    BiasReport,
    Metric,
    Quantity,
    Threshold,
    Verdict,
)
from engine.fairness.trend import Headline
from engine.mitigation import Constraint, MitigationOptions, MitigationReport
from engine.models.card import ModelCard
from engine.models.endpoint import Endpoint, EndpointProtocol
from engine.models.prediction import GivenRow, Predicted, Scoring
from engine.models.signature import FeatureType, ModelFormat, Signature, Task
from engine.tables import ColumnType, Preview, RoleHint, TableFormat, TableProfile
from tests.builders import STORED, stored

KINDS = {
    "bias_columns": BiasColumns,
    "bias_options": BiasOptions,
    "bias_report": BiasReport,
    "endpoint": Endpoint,
    "explanation_options": ExplanationOptions,
    "explanation_report": ExplanationReport,
    "explanation_rows": tuple[RowExplanation, ...],
    "given_rows": tuple[GivenRow, ...],
    "headlines": tuple[Headline, ...],
    "mitigation_options": MitigationOptions,
    "mitigation_report": MitigationReport,
    "model_card": ModelCard,
    "predictions": tuple[Predicted, ...],
    "scoring": Scoring,
    "signature": Signature,
    "table_profile": TableProfile,
}
TEXTS = (tuple[str, ...], Preview)
"""What is texts alone, and no class of ours that could come to read them otherwise."""


def test_every_kind_of_value_that_is_kept_has_a_sample():
    """To add one: write a value with the code that first keeps it, into a file of its own; it never changes again."""
    columns = [column for table in SQLModel.metadata.tables.values() for column in table.columns]
    kept = [column.type.kind for column in columns if isinstance(column.type, Stored)]
    assert [kind for kind in kept if kind not in (*KINDS.values(), *TEXTS)] == []


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


def test_an_old_explanation_still_reads():
    report = stored("explanation_report", ExplanationReport)
    assert (report.kind, report.method) == (ExplanationKind.GLOBAL, ExplanationMethod.TREE_LEAF_TABLES)
    assert [each.feature for each in report.importances] == ["income", "age"]
    assert report.importances[0].importance == 1.269877802691378
    assert (report.background.rows, report.rows_used) == (50, 40)
    assert report.dependence[0].points[0].high == "20"
    assert (report.interactions, report.interactions_why) == (
        (),
        None,
    )  # it was written before there were any

    shap, lime = stored("explanation_rows", tuple[RowExplanation, ...])
    assert (shap.attributions[1].feature, shap.attributions[1].value) == ("age", "76")
    assert shap.base + sum(each.attribution for each in shap.attributions) == pytest.approx(shap.output)
    assert (lime.attributions[0].condition, lime.stability) == ("57.5 < income <= 77.75", 1.0)

    options = stored("explanation_options", ExplanationOptions)
    assert (list(options.rows), options.budget, options.wanted) == ([0, 3], 20_000, "1")
    assert (options.changes[0].feature, options.changes[0].high) == ("age", 70)


def test_an_old_mitigation_still_reads():
    options = stored("mitigation_options", MitigationOptions)
    assert (options.constraint, options.label, list(options.bands)) == (
        Constraint.DEMOGRAPHIC_PARITY,
        "approved",
        [],
    )
    report = stored("mitigation_report", MitigationReport)
    assert report.metric is Metric.DEMOGRAPHIC_PARITY_DIFFERENCE
    assert (report.rows.training, report.rows.held_out, len(report.candidates)) == (994, 597, 5)
    assert report.mitigated.gap < report.retrained.gap
    assert [each.group for each in report.before.groups] == ["black", "hispanic", "white"]


def test_what_an_old_model_takes_and_answered_still_reads():
    signature = stored("signature", Signature)
    assert (signature.format, signature.task, signature.trees) == (ModelFormat.SKOPS, Task.BINARY, 20)
    assert (signature.features[0].type, signature.features[0].categories) == (
        FeatureType.CATEGORY,
        ("a", "b"),
    )
    (row,) = stored("given_rows", tuple[GivenRow, ...])
    assert row.by_feature() == {"age": "41", "group": None}
    first, second = stored("predictions", tuple[Predicted, ...])
    assert (first.scores[1].score, second.value) == (0.75, 2.5)
    assert stored("scoring", Scoring).of_class == "1"
    assert stored("model_card", ModelCard).licence == "MIT"
    endpoint = stored("endpoint", Endpoint)
    assert endpoint.protocol is EndpointProtocol.KSERVE_V2
    assert list(endpoint.features[1].categories) == ["Graz"]


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
    content = json.loads((STORED / f"{name}.json").read_text())
    for each in content if isinstance(content, list) else [content]:
        each["from_the_future"] = 1
    assert TypeAdapter(KINDS[name]).validate_python(content) == stored(name, KINDS[name])
