"""`fairmind explain` as a person uses it: a waterfall, JSON, and one line for what is at fault."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

import app.cli
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
