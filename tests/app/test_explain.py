"""`fairmind explain` as a person uses it: a waterfall, JSON, and one line for what is at fault."""

import json
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

import app.cli
from app.waterfall import show
from engine.explanations.options import ExplanationKind
from engine.explanations.report import (
    Attribution,
    ChangedValue,
    Counterfactual,
    Explained,
    ExplanationMethod,
    RowExplanation,
)
from engine.values import Count
from tests import models


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("explain")
    model, data = folder / "loans.skops", folder / "loans.csv"
    model.write_bytes(models.pipeline()[0])
    data.write_text(models.csv())
    return model, data


def explain(*arguments: object):
    return CliRunner().invoke(app.cli.cli, ["explain", *map(str, arguments)])


def test_a_row_is_shown_as_a_waterfall_with_what_it_rests_on(files):
    said = explain(*files, "--row", 17)
    assert said.exit_code == 0, said.output
    for words in ("row 17:", "mean of the background", "income = ", "this row", "tree leaf tables (exact)"):
        assert words in said.stdout


def test_without_a_row_the_features_that_matter_are_shown(files):
    said = explain(*files, "--sample", 200)
    assert said.exit_code == 0, said.output
    assert "mean |SHAP|, log-odds" in said.stdout
    assert "income and age together, beyond what each does alone: " in said.stdout


def test_what_carries_a_gap_between_two_groups_is_shown(files):
    said = explain(*files, "--kind", "gap", "--attribute", "group", "--reference", "a", "--sample", 100)
    assert said.exit_code == 0, said.output
    for words in ("b minus a, log-odds", "the gap", "group"):
        assert words in said.stdout


def test_json_holds_the_whole_report(files):
    report = json.loads(explain(*files, "--row", 3, "--json").stdout)
    _, pipeline = models.pipeline()
    row = models.people().iloc[[3]][["group", "age", "income"]]
    assert report["rows"][0]["prediction"] == pytest.approx(pipeline.predict_proba(row)[0, 1])
    assert report["method"] == "tree_leaf_tables"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--row", 400], "--row: the data have 400 rows, counted from 0, and no row 400"),
        (["--kind", "permutation"], "--label: permutation importance needs the column"),
        (["--kind", "gap"], "--attribute: a gap needs the column with the groups"),
        (["--row", 1, "--class", "maybe"], "--class: the model has no class 'maybe'"),
        (["--row", 1, "--top", 51], "--top must lie in [1, 50], got 51"),
    ],
)
def test_what_is_at_fault_is_one_line_and_exit_code_2(files, arguments, words):
    said = explain(*files, *arguments)
    assert said.exit_code == 2
    assert words in said.stderr.replace("\n", " ")


def test_a_table_in_place_of_a_model_is_named(files):
    said = explain(files[1], files[1])
    assert said.exit_code == 2
    assert "upload it as a dataset" in said.stderr


def test_without_colours_bars_have_a_direction_numbers_stand_in_line_and_notes_above_the_footer():
    def attribution(feature: str, value: float) -> Attribution:
        return Attribution(feature=feature, value="1", attribution=value)

    row = RowExplanation(
        row=Count(4),
        prediction=0.7,
        predicted="yes",
        output=1.0,
        base=0.25,
        attributions=(attribution("income", 1.2345), attribution("age", -0.5), attribution("debt", 0.01)),
        others=0.0,
    )
    change = Counterfactual(
        row=Count(4),
        changes=(ChangedValue(feature="age", before="40", after="41"),),
        prediction=0.5,
        predicted="no",
        distance=0.25,
    )
    report = Explained(
        kind=ExplanationKind.SHAP,
        method=ExplanationMethod.LINEAR,
        exact=True,
        why="A sum.",
        summary="Said.",
        unit="log-odds",
        explained_class="yes",
        perturbation=None,
        background=None,
        rows_used=Count(1),
        seconds=1.0,
        evaluations=Count(0),
        counterfactuals=(change,),
        notes=("Something was left out.",),
        rows=(row,),
    )
    printed = StringIO()
    show(report, "loans.skops", Console(file=printed, width=120))
    lines = {line.split()[0]: line for line in printed.getvalue().splitlines() if line.split()}
    assert ("█" in lines["income"], "░" in lines["income"]) == (True, False)
    assert ("█" in lines["age"], "░" in lines["age"]) == (False, True)
    assert [lines[name].split()[3] for name in ("income", "age", "debt")] == ["+1.234", "-0.500", "+0.010"]
    assert (lines["mean"].split()[-1], lines["this"].split()[-1]) == ("0.250", "1.000")
    assert lines["row"].split() == ["row", "answer", "score", "if", "distance"]
    assert list(lines)[-3:] == ["Something", "linear", "1"]
