"""Whether a model can take a dataset, said before anything is scored."""

from engine.models.matching import MismatchKind, fit
from engine.models.signature import Feature, FeatureType, ModelFormat
from engine.tables import ColumnProfile, ColumnType, TableFormat, TableProfile, ValueCount
from engine.values import Count
from tests.builders import a_signature

ROWS = 100


def column(name: str, type: ColumnType, *values: str, nulls: int = 0) -> ColumnProfile:
    top = tuple(ValueCount(value=value, count=Count(10)) for value in values)
    return ColumnProfile(
        name=name,
        type=type,
        nulls=Count(nulls),
        distinct=Count(10),
        distinct_is_exact=True,
        minimum=None,
        maximum=None,
        top_values=top,
    )


def table(*columns: ColumnProfile) -> TableProfile:
    return TableProfile(
        rows=Count(ROWS),
        bytes=Count(1),
        format=TableFormat.CSV,
        compressed=False,
        delimiter=",",
        columns=columns,
    )


def taking(name: str, type: FeatureType, *categories: str):
    features = (Feature(name=name, type=type, categories=categories),)
    return a_signature(format=ModelFormat.LIGHTGBM_TEXT, features=features)


def kinds(signature, *columns) -> list[MismatchKind]:
    return [each.kind for each in fit(signature, table(*columns)).mismatches]


def test_columns_of_the_right_names_and_types_fit_in_any_order():
    found = fit(
        a_signature(),
        table(
            column("city", ColumnType.STRING, "ulm"),
            column("x", ColumnType.DATE),
            column("age", ColumnType.FLOAT),
        ),
    )
    assert found.fits and found.mismatches == ()


def test_a_column_that_is_missing_is_said_with_those_that_may_be_meant():
    found = fit(a_signature(), table(column("Age", ColumnType.INTEGER), column("city", ColumnType.STRING)))
    (only,) = found.mismatches
    assert not found.fits
    assert (only.feature, only.kind, only.similar) == ("age", MismatchKind.MISSING, ("Age",))
    assert only.message == "the dataset has no column 'age', which the model takes; did you mean 'Age'?"


def test_texts_where_numbers_are_needed_do_not_fit():
    number = taking("age", FeatureType.NUMBER)
    for type in (ColumnType.STRING, ColumnType.DATE, ColumnType.TIMESTAMP):
        assert kinds(number, column("age", type)) == [MismatchKind.WRONG_TYPE]
    for type in (ColumnType.INTEGER, ColumnType.FLOAT, ColumnType.BOOLEAN):
        assert kinds(number, column("age", type)) == []
    (only,) = fit(number, table(column("age", ColumnType.STRING, nulls=ROWS))).mismatches
    assert only.message == "column 'age' holds no values, and the model takes numbers"


def test_numbers_where_texts_are_needed_do_not_fit_but_codes_do():
    assert kinds(taking("city", FeatureType.CATEGORY, "ulm"), column("city", ColumnType.INTEGER)) == [
        MismatchKind.WRONG_TYPE
    ]
    assert (
        kinds(taking("city", FeatureType.CATEGORY, "1", "2"), column("city", ColumnType.INTEGER, "2")) == []
    )
    assert kinds(taking("city", FeatureType.CATEGORY), column("city", ColumnType.INTEGER)) == []
    assert kinds(taking("city", FeatureType.ANY), column("city", ColumnType.DATE)) == []


def test_values_that_training_has_not_seen_are_noted_and_hinder_nothing():
    found = fit(
        taking("city", FeatureType.CATEGORY, "ulm", "bonn"),
        table(column("city", ColumnType.STRING, "ulm", "köln", "trier")),
    )
    (only,) = found.mismatches
    assert found.fits and not only.hinders and only.kind is MismatchKind.UNSEEN_VALUES
    assert "'köln', 'trier'" in only.message
    codes = taking("city", FeatureType.CATEGORY, "1.0", "2.0")
    assert kinds(codes, column("city", ColumnType.INTEGER, "1", "3")) == [MismatchKind.UNSEEN_VALUES]
    assert kinds(codes, column("city", ColumnType.INTEGER, "1", "2")) == []
