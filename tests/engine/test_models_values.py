"""Values of a person, of a dataset and of a model that mean the same are the same; others are refused or noted."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn import linear_model as linear
from sklearn import preprocessing as pre
from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_pipeline

from engine.errors import InvalidInput
from engine.explanations.asking import ask
from engine.explanations.between_groups import ask_flips
from engine.explanations.options import AllowedChange, ExplanationKind, ExplanationOptions
from engine.fairness.flip_report import FlipOptions
from engine.models.matching import fit
from engine.models.prediction import FeatureValue, GivenRow, Predicted, noted
from engine.models.rows import frame, given
from engine.models.signature import Feature, FeatureType, ModelFormat
from engine.models.skops_file import opened
from engine.models.values import place_of, refuse, spellings
from engine.tables import ColumnType
from engine.values import silent
from tests import estimators as made
from tests.builders import a_signature
from tests.engine.test_models_matching import column, table

ROWS = 60
OWNER = np.arange(ROWS) % 3 == 0
HOURS = 30 + (np.arange(ROWS) * 7) % 20
REPAID = (OWNER | (HOURS > 45)).astype(int)
SPELT = ("true", "True", "TRUE", "1", "1.0")


def fitted(owner, folder):
    """A one-hot encoder of a column of truth values, however these are written, before a logistic regression."""
    rows = pd.DataFrame({"owner": owner, "hours": HOURS.astype(float)})
    encoder = make_column_transformer(
        (pre.OneHotEncoder(handle_unknown="ignore"), ["owner"]), remainder="passthrough"
    )
    model = make_pipeline(encoder, linear.LogisticRegression(max_iter=500)).fit(rows, REPAID)
    return opened(made.dumped(model, folder)), model.predict_proba(rows)


@pytest.fixture
def parts(tmp_path):
    columns = {"owner": pa.array(OWNER), "hours": pa.array(HOURS), "repaid": pa.array(REPAID)}
    pq.write_table(pa.table(columns), tmp_path / "rows.parquet")
    return [tmp_path / "rows.parquet"]


@pytest.mark.parametrize(
    "written",
    [lambda v: v, int, lambda v: str(v), lambda v: str(v).lower()],
    ids=["bool", "0/1", "True", "true"],
)
def test_a_truth_value_is_one_value_however_model_dataset_and_person_write_it(written, parts, tmp_path):
    kind = None if written(True) in (True, 1) else object
    scorer, expected = fitted(pd.Series([written(bool(v)) for v in OWNER], dtype=kind), tmp_path)
    assert scorer.scores(frame(parts, ["owner", "hours"])) == pytest.approx(expected, abs=1e-12)
    for text in SPELT:
        row = given([{"owner": text, "hours": "30"}], scorer.signature)
        assert scorer.scores(row) == pytest.approx(expected[[0]], abs=1e-12), text
    found = fit(
        scorer.signature,
        table(column("owner", ColumnType.BOOLEAN, "true", "false"), column("hours", ColumnType.INTEGER)),
    )
    assert found.fits and found.mismatches == ()


def test_a_truth_value_is_shown_in_explanations_as_its_table_shows_it(parts, tmp_path):
    """Also of a feature that is a number to the model."""
    encoded, _ = fitted(pd.Series(OWNER), tmp_path)
    rows = pd.DataFrame({"owner": OWNER.astype(float), "hours": HOURS.astype(float)})
    plain = opened(made.dumped(linear.LogisticRegression(max_iter=500).fit(rows, REPAID), tmp_path))
    assert plain.signature.features[0].type is FeatureType.NUMBER
    for scorer in (encoded, plain):
        for asked in (
            {"rows": (0,)},
            {
                "values": (
                    FeatureValue(feature="owner", value="TRUE"),
                    FeatureValue(feature="hours", value="30"),
                )
            },
        ):
            options = ExplanationOptions(samples=200, **asked)
            for kind in (ExplanationKind.SHAP, ExplanationKind.LIME):
                (row,) = ask(silent, scorer, parts, kind, options).rows
                shown = {each.feature: (each.value, each.condition) for each in row.attributions}
                assert shown["owner"][0] == "true"
                assert kind is ExplanationKind.SHAP or shown["owner"][1] == "owner = true"
        change = AllowedChange(feature="owner", categories=("false",))
        asked = ExplanationOptions(rows=(0,), changes=(change,))
        report = ask(silent, scorer, parts, ExplanationKind.COUNTERFACTUAL, asked).report()
        (changed,) = report.counterfactuals[0].changes
        assert (changed.feature, changed.before, changed.after) == ("owner", "true", "false")
        points = ask(silent, scorer, parts, ExplanationKind.GLOBAL, ExplanationOptions()).report().dependence
        owner = next(each for each in points if each.feature == "owner")
        assert {(point.low, point.high) for point in owner.points} == {("false", "false"), ("true", "true")}
    flipped = ask_flips(silent, encoded, parts, FlipOptions(attribute="owner"))
    assert [(each.group, each.value) for each in flipped.values] == [("false", "false"), ("true", "true")]
    assert flipped.flipped and flipped.examples
    wrong = ExplanationOptions(rows=(0,), changes=(AllowedChange(feature="owner", categories=("ja",)),))
    with pytest.raises(InvalidInput, match="'owner' holds true and false alone"):
        ask(silent, encoded, parts, ExplanationKind.COUNTERFACTUAL, wrong)


def test_only_categories_that_are_all_truth_values_are_taken_for_these():
    assert spellings(["0", "1"])["true"] == spellings(["0", "1"])["1.0"] == "1"
    assert spellings(["False", "True"])["false"] == "False"
    assert spellings(["true"]) and "false" not in spellings(["true"])
    for categories in ([], ["0", "1", "2"], ["true", "maybe"], ["true", "1"], ["00", "01"]):
        assert not spellings(categories), categories


SIGNATURE = a_signature(
    format=ModelFormat.SKOPS,
    features=(
        Feature(name="age", type=FeatureType.NUMBER),
        Feature(name="city", type=FeatureType.CATEGORY, categories=("ulm", "bonn")),
        Feature(name="owner", type=FeatureType.CATEGORY, categories=("False", "True")),
        Feature(name="kids", type=FeatureType.CATEGORY, categories=("0", "1", "2"), closed=True),
    ),
)


def test_a_class_that_is_a_truth_value_may_be_spelt_in_any_way():
    decides = a_signature(classes=("False", "True"))
    assert [place_of(decides, name, ()) for name in ("True", "true", "1", "yes", "0", "FALSE")] == [
        1,
        1,
        1,
        1,
        0,
        0,
    ]
    with pytest.raises(InvalidInput, match="no class 'maybe'; it has 'False', 'True'"):
        place_of(decides, "maybe", ())


def test_a_value_that_the_model_does_not_take_is_refused_with_its_row_and_what_would_do():
    for name, text, said in (
        ("age", "forty", "'age' is a number for this model, got 'forty' in row 1"),
        ("age", "", "got '' in row 1; what is missing is null"),
        ("age", "nan", "got 'nan' in row 1; what is missing is null"),
        ("kids", "true", "'kids' is a number for this model, got 'true'"),
        ("kids", "3", "'kids' holds '3' in row 1, which was not there in training, and the model refuses"),
    ):
        with pytest.raises(InvalidInput, match=said) as refused:
            given([{"age": "1"}, {name: text}], SIGNATURE)
        assert refused.value.at == (1, name)
    given([{"age": "true", "kids": "2.0", "city": "new", "owner": "yes"}], SIGNATURE)
    bare = Feature(name="city", type=FeatureType.CATEGORY)
    with pytest.raises(InvalidInput, match="'city' is the code of a category for this model, got 'ulm'"):
        refuse(a_signature(format=ModelFormat.LIGHTGBM_TEXT), bare, "ulm", ())


def test_an_answer_says_which_value_training_has_not_seen():
    rows = [
        GivenRow(values=tuple(FeatureValue(feature=name, value=value) for name, value in row.items()))
        for row in (
            {"age": "1", "city": "ulm", "owner": "TRUE", "kids": "1.0"},
            {"city": "Ulm", "owner": "yes", "kids": None},
        )
    ]
    plain, odd = noted([Predicted(prediction="1")] * 2, rows, SIGNATURE)
    assert plain.notes == ()
    assert odd.notes == (
        "Training has not seen 'Ulm' in 'city': it counts as none of those that the model knows, 'ulm', 'bonn'.",
        "Training has not seen 'yes' in 'owner': it counts as none of those that the model knows, 'False', 'True'.",
    )


def test_a_dataset_with_values_that_the_model_refuses_does_not_fit():
    others = (
        column("age", ColumnType.FLOAT),
        column("city", ColumnType.STRING, "ulm", "köln"),
        column("owner", ColumnType.BOOLEAN, "true"),
    )
    found = fit(SIGNATURE, table(*others, column("kids", ColumnType.INTEGER, "2", "7")))
    assert not found.fits
    assert [(each.feature, each.hinders) for each in found.mismatches] == [("city", False), ("kids", True)]
    assert found.mismatches[1].message == (
        "column 'kids' holds values that the model has not seen in training, such as '7'; it refuses rows with these:"
        " leave them out, or train the model with them"
    )
    assert fit(SIGNATURE, table(*others, column("kids", ColumnType.BOOLEAN, "true", "false"))).fits
    known_before = a_signature(
        format=ModelFormat.XGBOOST_JSON,
        features=(Feature(name="city", type=FeatureType.CATEGORY, categories=("ulm",)),),
    )
    assert not fit(known_before, table(others[1])).fits


def test_what_an_encoder_refuses_is_known_from_its_file(tmp_path):
    encoder = make_column_transformer((pre.OrdinalEncoder(), ["city"]), remainder="drop")
    model = make_pipeline(encoder, linear.LinearRegression()).fit(made.TABLE[["city"]], made.VALUE)
    scorer = opened(made.dumped(model, tmp_path))
    assert [each.closed for each in scorer.signature.features] == [True]
    assert not fit(scorer.signature, table(column("city", ColumnType.STRING, "Paris"))).fits
    open_one, _ = fitted(pd.Series(OWNER), tmp_path)
    assert not any(each.closed for each in open_one.signature.features)
