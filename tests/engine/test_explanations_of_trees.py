"""Which method a model of trees gets, and that what stands in for leaf tables gives the same values."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from engine.errors import InvalidInput
from engine.explanations import leaf_tables, tree_shap
from engine.explanations.explain import explain
from engine.explanations.leaf_tables import LeafTables
from engine.explanations.options import ExplanationKind, ExplanationOptions, Perturbation
from engine.explanations.report import ExplanationMethod
from engine.models.ensemble import Ensemble, Link
from engine.models.scorer import Inside
from tests.scorers import Made, case
from tests.trees import drawn

NAMES = ["a", "b", "c", "d"]
RANDOM = np.random.default_rng(3)
BACKGROUND = pd.DataFrame(RANDOM.normal(size=(30, 4)), columns=NAMES)
ROWS = pd.DataFrame(RANDOM.normal(size=(5, 4)), columns=NAMES)


def model(core: Ensemble, classes: tuple[str, ...] = ()) -> Made:
    inside = Inside(core=core, players=np.arange(4), encode=lambda rows: rows[NAMES].to_numpy(dtype=float))
    return Made(
        function=lambda rows: core.link.scores(core.margins(inside.encode(rows))),
        names=NAMES,
        classes=classes,
        structure=inside,
    )


def numeric(seed: int, **shape: int) -> Ensemble:
    """Without splits by category, which shap cannot follow."""
    core = drawn(np.random.default_rng(seed), **shape)
    return Ensemble(features=core.features, base=core.base, trees=core.trees, link=core.link)


@pytest.mark.parametrize("perturbation", list(Perturbation))
@pytest.mark.parametrize("margins", [1, 3])
def test_shap_stands_in_with_the_same_values(perturbation: Perturbation, margins: int) -> None:
    core = numeric(4, margins=margins, trees=6)
    background = BACKGROUND.to_numpy() if perturbation is Perturbation.INTERVENTIONAL else None
    rows = ROWS.to_numpy().copy()
    rows[0, 1] = np.nan
    players = np.array([0, 1, 2, 3])
    ours, theirs = LeafTables.built(core, players, background), tree_shap.TreeShap(core, players, background)
    np.testing.assert_allclose(
        theirs.values(rows), ours.values(rows), atol=1e-6
    )  # shap is in single precision here and there
    np.testing.assert_allclose(theirs.base, ours.base, atol=1e-9)


def test_trees_are_explained_from_leaf_tables_and_say_why() -> None:
    report = explain(ExplanationKind.SHAP, case(model(numeric(0)), ROWS, BACKGROUND))
    assert (report.method, report.exact) == (ExplanationMethod.TREE_LEAF_TABLES, True)
    assert report.why.startswith("The model is a sum of trees")
    assert report.largest_additivity_error == pytest.approx(0, abs=1e-9)
    assert report.background.rows == 30


def test_tables_that_would_be_too_large_give_way_to_shap_and_it_says_so(monkeypatch) -> None:
    exact = explain(ExplanationKind.SHAP, case(model(numeric(0)), ROWS, BACKGROUND))
    monkeypatch.setattr(leaf_tables, "MAX_TABLE_BYTES", 8)
    report = explain(ExplanationKind.SHAP, case(model(numeric(0)), ROWS, BACKGROUND))
    assert report.method is ExplanationMethod.TREE_SHAP
    assert "tables would need" in report.why
    for one, other in zip(report.rows, exact.rows, strict=True):
        assert {each.feature: each.attribution for each in one.attributions} == pytest.approx(
            {each.feature: each.attribution for each in other.attributions}, abs=1e-6
        )


def test_path_dependent_values_need_no_background() -> None:
    options = ExplanationOptions(perturbation=Perturbation.PATH_DEPENDENT)
    report = explain(ExplanationKind.SHAP, case(model(numeric(0)), ROWS, BACKGROUND, options))
    assert report.perturbation is Perturbation.PATH_DEPENDENT
    assert report.background is None


def test_the_first_class_of_a_forest_has_the_values_of_the_second_turned() -> None:
    core = numeric(1)
    forest = Ensemble(features=4, base=np.array([0.5]), trees=core.trees, link=Link.COMPLEMENT)
    scorer = model(forest, ("no", "yes"))
    second = explain(ExplanationKind.SHAP, case(scorer, ROWS, BACKGROUND)).rows[0]
    first = explain(
        ExplanationKind.SHAP, case(scorer, ROWS, BACKGROUND, ExplanationOptions(explained_class="no"))
    ).rows[0]
    assert first.base == pytest.approx(1 - second.base)
    assert first.output == pytest.approx(1 - second.output)
    assert first.additivity_error == pytest.approx(0, abs=1e-9)
    assert first.attributions[0].attribution == pytest.approx(-second.attributions[0].attribution)


def test_a_feature_that_no_tree_looks_at_has_no_part() -> None:
    core = numeric(2, columns=2)
    inside = Inside(
        core=core, players=np.arange(2), encode=lambda rows: rows[["a", "b"]].to_numpy(dtype=float)
    )
    scorer = Made(
        function=lambda rows: core.margins(inside.encode(rows))[:, 0], names=NAMES, structure=inside
    )
    report = explain(ExplanationKind.SHAP, case(scorer, ROWS, BACKGROUND))
    found = {each.feature: each.attribution for each in report.rows[0].attributions}
    assert (found["c"], found["d"]) == (0, 0)


def test_what_a_forest_of_three_classes_gives_is_a_probability_and_of_a_regression_a_value() -> None:
    forest = numeric(3, margins=3)
    for kind in (ExplanationKind.SHAP, ExplanationKind.GLOBAL):
        report = explain(kind, case(model(forest, ("low", "mid", "high")), ROWS, BACKGROUND))
        assert (report.method, report.unit) == (ExplanationMethod.TREE_LEAF_TABLES, "probability")
    assert (
        explain(ExplanationKind.SHAP, case(model(numeric(3)), ROWS, BACKGROUND)).unit == "value of the model"
    )


def test_trees_whose_file_counts_no_rows_say_one_thing_of_path_dependent_values() -> None:
    core = numeric(4)
    trees = tuple(replace(tree, cover=np.full_like(tree.cover, np.nan)) for tree in core.trees)
    options = ExplanationOptions(perturbation=Perturbation.PATH_DEPENDENT)
    with pytest.raises(InvalidInput) as refused:
        explain(ExplanationKind.SHAP, case(model(replace(core, trees=trees)), ROWS, BACKGROUND, options))
    assert str(refused.value) == "The file does not say how many training rows took each branch."
