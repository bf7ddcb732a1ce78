"""A model that can only be asked is asked so often and no more: fewer orders first, then fewer rows, and the report says it."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from engine.explanations import pieces, spending
from engine.explanations.case import Case
from engine.explanations.explain import explain
from engine.explanations.options import ExplanationKind, ExplanationOptions
from engine.explanations.report import ExplanationMethod
from engine.fairness.membership import grouped
from tests.scorers import Made, case

NAMES = ["a", "b", "c", "d"]
RANDOM = np.random.default_rng(3)
ROWS = pd.DataFrame(RANDOM.normal(size=(400, 4)), columns=NAMES)
BACKGROUND = pd.DataFrame(RANDOM.normal(size=(20, 4)), columns=NAMES)
WEIGHTS = np.array([3.0, -2.0, 1.0, 0.0])
ALL, ONE_PAIR = 2**4 * 20, 2 * 3 * 20
"""Evaluations for a row: of all coalitions, and of one pair of orders for each background row."""


def asked(rows: int, **options: object) -> Case:
    scorer = Made(function=lambda of: of[NAMES].to_numpy() @ WEIGHTS, names=NAMES)
    return case(scorer, ROWS[:rows], BACKGROUND, ExplanationOptions(**options))


@pytest.fixture(autouse=True)
def little(monkeypatch):
    monkeypatch.setattr(spending, "MOST", 20_000)


def test_all_coalitions_are_tried_for_as_many_rows_as_that_is_affordable_for() -> None:
    few, more = (explain(ExplanationKind.GLOBAL, asked(rows)) for rows in (20_000 // ALL, 20_000 // ALL + 1))
    assert (few.method, few.rows_used) == (ExplanationMethod.ENUMERATION, 62)
    assert (more.method, more.rows_used, more.notes) == (ExplanationMethod.SAMPLED_PERMUTATIONS, 63, ())
    assert "needs 320 evaluations for each of 63 rows" in more.why
    assert more.evaluations <= 20_000 + 63 + len(BACKGROUND)
    away = np.abs((ROWS[:63] - BACKGROUND.mean()) * WEIGHTS).mean()  # of a sum, orders make no difference
    assert {each.feature: each.importance for each in more.importances} == pytest.approx(dict(away))


def test_where_one_pair_of_orders_each_is_too_much_fewer_rows_are_looked_at_and_a_note_says_so() -> None:
    found = explain(ExplanationKind.GLOBAL, asked(400, seed=1))
    assert found.rows_used == 20_000 // ONE_PAIR == 166
    assert found.evaluations <= 20_000 + 166 + len(BACKGROUND)
    assert "166 of 400 rows were looked at" in found.notes[0]
    assert explain(ExplanationKind.GLOBAL, asked(400, seed=1)).importances == found.importances
    assert explain(ExplanationKind.GLOBAL, asked(400, seed=2)).importances != found.importances


def test_a_budget_for_each_row_is_spent_whatever_it_comes_to() -> None:
    found = explain(ExplanationKind.GLOBAL, asked(400, budget=ALL))
    assert (found.method, found.rows_used, found.notes) == (ExplanationMethod.ENUMERATION, 400, ())


def test_each_row_that_was_named_is_explained_with_fewer_orders() -> None:
    found = explain(ExplanationKind.SHAP, asked(400))
    assert (found.method, len(found.rows)) == (ExplanationMethod.SAMPLED_PERMUTATIONS, 400)
    assert found.evaluations <= 400 * ONE_PAIR + 400 + len(BACKGROUND)
    assert all(row.additivity_error < 1e-9 for row in found.rows)


def test_of_two_groups_rows_are_taken_from_each_as_far_as_it_has_so_many() -> None:
    groups = grouped("sex", ["f", "m"], np.array([0] * 40 + [1] * 360))
    of = asked(400, attribute="sex", group="f", reference="m")
    found = explain(ExplanationKind.GAP, replace(of, groups=groups))
    assert (found.gap.rows, found.gap.reference_rows, found.rows_used) == (40, 83, 123)
    assert any("123 of 400 rows" in note for note in found.notes)
    assert found.largest_additivity_error < 1e-12


def test_a_slow_model_has_news_after_every_few_rows(monkeypatch) -> None:
    monkeypatch.setattr(pieces, "PIECE_EVALUATIONS", 10 * ALL)
    steps = []
    explain(ExplanationKind.GLOBAL, replace(asked(60), tell=steps.append))
    assert [step.fraction for step in steps if step.partial.feature == "a"] == pytest.approx(
        [n / 6 for n in range(1, 7)]
    )
