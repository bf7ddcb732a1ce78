"""p-values adjusted for many questions, against SciPy and statsmodels."""

from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import false_discovery_control
from statsmodels.stats.multitest import multipletests

from engine.fairness.multiplicity import benjamini_hochberg, holm

TIED = st.integers(0, 20).map(lambda twentieths: twentieths / 20)
P_VALUES = st.lists(st.floats(0, 1) | TIED, min_size=1, max_size=60)


@settings(max_examples=200)
@given(values=P_VALUES)
def test_benjamini_hochberg_agrees_with_scipy(values):
    assert benjamini_hochberg(values) == pytest.approx(
        false_discovery_control(values, method="bh"), abs=1e-12
    )


@settings(max_examples=200)
@given(values=P_VALUES)
def test_holm_agrees_with_statsmodels(values):
    with patch(
        "gc.collect"
    ):  # theirs collects all garbage at each call, which takes a large process half a second
        expected = multipletests(values, method="holm")[1]
    assert holm(values) == pytest.approx(expected, abs=1e-12)


@settings(max_examples=100)
@given(values=P_VALUES, data=st.data())
def test_the_order_of_questions_does_not_matter(values, data):
    order = data.draw(st.permutations(range(len(values))))
    shuffled = [values[i] for i in order]
    for adjusted in (holm, benjamini_hochberg):
        assert adjusted(shuffled) == pytest.approx(adjusted(values)[order])


def test_by_hand():
    # Holm: 0.01 * 3 = 0.03; 0.03 * 2 = 0.06; 0.04 * 1 is less than the one before, so 0.06 as well
    assert holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    # Benjamini and Hochberg: 0.04 * 3/3 = 0.04; 0.03 * 3/2 = 0.045 is more than the next, so 0.04; 0.01 * 3 = 0.03
    assert benjamini_hochberg([0.04, 0.01, 0.03]) == pytest.approx([0.04, 0.03, 0.04])


def test_no_question_has_no_answer():
    assert np.array_equal(holm([]), [])
    assert np.array_equal(benjamini_hochberg([]), [])
