"""How sure we are: intervals against other libraries, by brute force, and by repeated sampling."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from engine.fairness import BiasOptions, Metric, Quantity
from engine.fairness.comparing import compare
from engine.fairness.curves import MOST_PAIRED, changes
from engine.fairness.groups import reports
from engine.fairness.intervals import katz, largest_pair, multinomial, newcombe, wilson
from engine.fairness.judging import judge
from engine.fairness.metrics import METRICS, QUANTITIES, Form
from engine.fairness.of_scores import Layer, calibration_lift
from engine.fairness.quantity import Cells
from engine.fairness.tables import Table


@pytest.mark.parametrize(("k", "n"), [(0, 1), (1, 1), (0, 40), (40, 40), (7, 31), (512, 1000)])
@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.95, 0.99])
def test_wilson_agrees_with_statsmodels(k, n, confidence):
    theirs = proportion_confint(k, n, alpha=1 - confidence, method="wilson")
    assert wilson(k, n, confidence) == pytest.approx(theirs, abs=1e-9)


@pytest.mark.parametrize("a", [(0, 40), (3, 40), (20, 31), (99, 100)])
@pytest.mark.parametrize("b", [(1, 30), (25, 50), (60, 60)])
@pytest.mark.parametrize("confidence", [0.5, 0.95])
def test_newcombe_agrees_with_statsmodels(a, b, confidence):
    rates = [(k / n, *wilson(k, n, confidence)) for k, n in (a, b)]
    theirs = confint_proportions_2indep(*a, *b, method="newcomb", compare="diff", alpha=1 - confidence)
    assert newcombe(*rates) == pytest.approx(theirs, abs=1e-9)


@pytest.mark.parametrize("a", [(1, 40), (20, 31), (99, 100)])
@pytest.mark.parametrize("b", [(1, 30), (25, 50)])
@pytest.mark.parametrize("confidence", [0.5, 0.95])
def test_katz_agrees_with_statsmodels(a, b, confidence):
    theirs = confint_proportions_2indep(*a, *b, method="log", compare="ratio", alpha=1 - confidence)
    assert katz(a, b, confidence) == pytest.approx(theirs, abs=1e-9)


def test_a_ratio_with_a_rate_of_zero_has_no_interval():
    assert katz((0, 40), (5, 40), 0.95) is None
    assert katz((5, 40), (0, 40), 0.95) is None


def outcomes(*groups):
    """A table of groups, each of (FN, TP, TN, FP)."""
    cells = np.array([[[tn, fp], [fn, tp], [0, 0]] for fn, tp, tn, fp in groups])
    names = tuple(f"g{i}" for i in range(len(groups)))
    return Table(
        kind=Cells.OUTCOMES,
        attributes=("g",),
        groups=tuple((name,) for name in names),
        names=names,
        rows=cells.sum((1, 2)),
        cells=cells,
        classes=("0", "1"),
    )


def measured(table, quantity, options=BiasOptions()):  # noqa: B008 - frozen
    return [next(m for m in g.metrics if m.quantity is quantity) for g in reports(table, options)]


def test_f1_interval_by_hand():
    # 8 of 10 rows that are favourable in label or prediction are so in both: J = 0.8, F1 = 1.6 / 1.8.
    # statsmodels gives the Wilson interval of 8 / 10 as [0.4901625, 0.9433178];
    # 2 J / (1 + J) maps it to [0.6578642, 0.9708323].
    (f1,) = measured(outcomes((1, 8, 30, 1)), Quantity.F1)
    assert f1.value == pytest.approx(1.6 / 1.8)
    assert (f1.interval.low, f1.interval.high) == pytest.approx((0.6578642, 0.9708323), abs=1e-6)


def test_perfect_predictions_still_have_an_error():
    # nobody is wrong among 40 rows a group: that is no proof that nobody ever will be
    table = outcomes((0, 20, 20, 0), (0, 20, 20, 0))
    assert measured(table, Quantity.BALANCED_ACCURACY)[0].interval.low < 0.95
    options = BiasOptions(min_group_size=10)
    ((finding, _),) = judge(table, [Metric.BALANCED_ACCURACY_DIFFERENCE], options, lambda _: None)
    assert finding.value == 0.0
    assert finding.interval.high > 0.1


def test_no_false_negatives_still_have_an_error():
    # 0 of 40 errors of the one group are false negatives: up to 9 % may be, odds of 0.1
    table = outcomes((0, 60, 60, 40), (8, 60, 60, 32))
    ((finding, _),) = judge(table, [Metric.TREATMENT_EQUALITY_RATIO], BiasOptions(), lambda _: None)
    assert finding.value == 0.0
    assert finding.interval.high > 0.2  # odds of some 0.05 over odds of 0.25


@settings(max_examples=60)
@given(groups=st.integers(2, 40), seed=st.integers(0, 2**16), tight=st.booleans())
def test_the_largest_deviation_is_that_over_all_pairs(groups, seed, tight):
    generator = np.random.default_rng(seed)
    error = generator.normal(size=(5, groups)) if not tight else np.ones((5, groups))
    variance = generator.uniform(0.01, 2, size=(5, groups))
    all_pairs = (error[:, :, None] - error[:, None, :]) ** 2 / (variance[:, :, None] + variance[:, None, :])
    assert largest_pair(error, variance) == pytest.approx(all_pairs.max((1, 2)))


def test_draws_have_the_size_and_the_mean_of_the_data():
    table = np.array([[[40, 10], [0, 50]], [[300, 100], [200, 300]]])
    blocks = list(multinomial(table, 4000, seed=5))
    drawn = np.concatenate(blocks)
    assert drawn.shape == (4000, 2, 2, 2)
    assert (drawn.sum((1, 2, 3)) == 1000).all()
    assert (drawn[:, 0, 1, 0] == 0).all()  # an empty cell stays empty
    # the standard error of a mean of 4000 draws of a count of at most 300 of 1000 is below 0.25
    assert drawn.mean(0) == pytest.approx(table, abs=1.0)


def test_many_groups_are_drawn_in_blocks_of_bounded_size():
    table = np.ones((1000, 2, 2), dtype=np.int64)
    blocks = list(multinomial(table, 1000, seed=0))
    assert sum(len(block) for block in blocks) == 1000
    assert max(block.nbytes for block in blocks) <= 4_000_000


def test_cells_that_weigh_nothing_draw_nothing():
    (block,) = multinomial(np.zeros((2, 3, 2)), 5, seed=0)
    assert block.shape == (5, 2, 3, 2)
    assert not block.any()


ON_OUTCOMES = [
    metric
    for metric, spec in METRICS.items()
    if spec.form is not Form.SCORE and all(QUANTITIES[each].cells is Cells.OUTCOMES for each in spec.of)
]
GAPS = {Form.DIFFERENCE: Metric.DEMOGRAPHIC_PARITY_DIFFERENCE, Form.RATIO: Metric.DEMOGRAPHIC_PARITY_RATIO}


def interval(k, n, form, seed, samples=300):
    """Interval of the gap between the rates k / n of groups, and the percentile interval for contrast."""
    table = outcomes(*((0, k, n - k, 0) for k, n in zip(k, n, strict=True)))
    options = BiasOptions(bootstrap_samples=samples, seed=seed)
    ((finding, _),) = judge(table, [GAPS[form]], options, lambda _: None)
    rates = np.random.default_rng(seed).binomial(n, k / n, size=(samples, k.size)) / n
    naive = (
        rates.max(1) - rates.min(1)
        if form is Form.DIFFERENCE
        else rates.min(1) / np.maximum(rates.max(1), 1e-9)
    )
    return (finding.interval.low, finding.interval.high), tuple(np.quantile(naive, [0.025, 0.975]))


@pytest.mark.parametrize(
    ("rates", "sizes"),
    [
        pytest.param([0.5] * 3, [100] * 3, id="three equal groups"),
        pytest.param([0.3] * 5, [5200, 2000, 1500, 900, 400], id="five equal groups of uneven size"),
        pytest.param([0.5, 0.45, 0.4], [300] * 3, id="a gap of a tenth"),
    ],
)
@pytest.mark.parametrize("form", [Form.DIFFERENCE, Form.RATIO])
def test_intervals_hold_the_truth_as_often_as_they_say(rates, sizes, form):
    rates, sizes = np.array(rates), np.array(sizes)
    true = rates.max() - rates.min() if form is Form.DIFFERENCE else rates.min() / rates.max()
    generator = np.random.default_rng(11)
    held, naive_held, runs = 0, 0, 400
    for run in range(runs):
        ours, naive = interval(generator.binomial(sizes, rates), sizes, form, run)
        held += ours[0] - 1e-12 <= true <= ours[1] + 1e-12
        naive_held += naive[0] <= true <= naive[1]
    assert held / runs > 0.92  # 95 % promised; its standard error here is 0.011
    if rates.min() == rates.max():
        assert naive_held / runs < 0.05  # what the percentile bootstrap would have done


@pytest.mark.parametrize("metric", ON_OUTCOMES)
def test_more_confidence_is_a_wider_interval(metric):
    table = outcomes((20, 30, 60, 40), (30, 30, 50, 40), (25, 45, 70, 10))
    widths = []
    for confidence in (0.5, 0.9, 0.99):
        options = BiasOptions(confidence=confidence)
        ((finding, _),) = judge(table, [metric], options, lambda _: None)
        widths.append(finding.interval.high - finding.interval.low)
    assert widths == sorted(widths)
    assert widths[0] < widths[-1]


def by_rows(table, metric, samples=3000):
    """Errors of the gap of two groups, from rows drawn with replacement, for comparison with ours."""
    generator = np.random.default_rng(8)
    labels = np.repeat(np.tile([0, 0, 1, 1], 2), table.cells[:, :2].ravel())
    predictions = np.repeat(np.tile([0, 1, 0, 1], 2), table.cells[:, :2].ravel())
    group = np.repeat([0, 1], table.rows)
    gaps = []
    for _ in range(samples):
        rows = generator.integers(0, group.size, group.size)
        values = [metric(labels[rows][group[rows] == g], predictions[rows][group[rows] == g]) for g in (0, 1)]
        gaps.append(values[0] - values[1])
    return np.std(gaps)


@pytest.mark.parametrize(
    ("metric", "theirs"),
    [
        (Metric.DEMOGRAPHIC_PARITY_DIFFERENCE, lambda y, p: p.mean()),
        (Metric.EQUAL_OPPORTUNITY_DIFFERENCE, lambda y, p: p[y == 1].mean()),
        (Metric.PREDICTIVE_PARITY_DIFFERENCE, lambda y, p: y[p == 1].mean()),
        (Metric.ACCURACY_DIFFERENCE, lambda y, p: (y == p).mean()),
        (Metric.BALANCED_ACCURACY_DIFFERENCE, lambda y, p: (p[y == 1].mean() + 1 - p[y == 0].mean()) / 2),
    ],
)
def test_the_interval_of_two_groups_is_that_of_drawn_rows(metric, theirs):
    # far apart, so that the gap's interval is that of the one pair: value - and + 1.96 standard errors
    table = outcomes((20, 130, 190, 60), (150, 60, 30, 160))
    ((finding, _),) = judge(table, [metric], BiasOptions(bootstrap_samples=10_000), lambda _: None)
    half = 1.96 * by_rows(table, theirs)
    assert finding.interval.low == pytest.approx(finding.value - half, abs=0.1 * half)
    assert finding.interval.high == pytest.approx(finding.value + half, abs=0.1 * half)


def test_what_cannot_be_settled_asks_for_no_astronomic_number_of_rows():
    # 0.3 - 0.2 is the limit of 0.1 but for the last digit
    table = outcomes((0, 300, 700, 0), (0, 200, 800, 0))
    ((finding, _),) = judge(table, [Metric.DEMOGRAPHIC_PARITY_DIFFERENCE], BiasOptions(), lambda _: None)
    assert finding.rows_needed is None


def test_nobody_wrong_is_no_proof_of_perfect_benefits():
    # 100 rows, none wrong. One of each kind of error is added, and two that are right: shares 1 / 104, 102 / 104 and
    # 1 / 104 of benefits 0, 1 and 2; their mean is 1, that of their squares m = 106 / 104, the index g = (m - 1) / 2 =
    # 0.009615. A row of benefit b moves the index by (b^2 - m) / 2 - m (b - 1): 0.509615, -0.009615 and 0.471154. The
    # variance of these over 104 is 4.5407e-5, and 1.959964 standard errors are 0.0132072.
    # Theil: A = 2 ln 2 / 104 = 0.0133298; b ln b - A - (b - 1) (A + 1) is 1, -0.0133298 and 0.3596349, by their squares
    # the variance is 1.060892e-4, and the upper end 0.0201876.
    table = outcomes((0, 50, 50, 0))
    metrics = [Metric.GENERALIZED_ENTROPY_INDEX, Metric.THEIL_INDEX]
    found = [finding for finding, _ in judge(table, metrics, BiasOptions(), lambda _: None)]
    assert [finding.value for finding in found] == [0.0, 0.0]
    assert [finding.interval.low for finding in found] == [0.0, 0.0]
    assert [finding.interval.high for finding in found] == pytest.approx([0.0132072, 0.0201876], abs=2e-7)


def test_the_error_of_an_entropy_is_that_of_drawn_rows():
    # 1,000 rows: 100 with benefit 0, 700 with 1, 200 with 2
    table = outcomes((100, 300, 400, 200))
    drawn = np.random.default_rng(1).multinomial(1000, [0.1, 0.7, 0.2], 20_000) / 1000
    mean = drawn @ [0, 1, 2]
    indexes = ((drawn @ [0, 1, 4]) / mean**2 - 1) / 2, drawn[:, 2] * 2 * np.log(2) / mean - np.log(mean)
    for quantity, index in zip((Quantity.GENERALIZED_ENTROPY, Quantity.THEIL), indexes, strict=True):
        variance = QUANTITIES[quantity].how.variance(table.cells)[0]
        assert np.sqrt(variance) == pytest.approx(index.std(), rel=0.03)


def test_chance_lifts_a_calibration_error_by_hand():
    # 100 rows of score 0.25, 25 of them favourable: errors are 0.25 75 times and -0.75 25 times. Their squares add up to
    # 4.6875 + 14.0625 = 18.75, so chance has the size of 4.3301 rows, of which the mean size is sqrt(2 / pi), 3.4549.
    # With 45 favourable ones squares add up to 55 / 16 + 45 * 9 / 16 = 28.75, s = 5.3619; 20 rows too many are 3.7300 s,
    # less one 2.7300 s: s (2 f - 2 x F) = 5.3619 * (2 * 0.0096058 - 2 * 2.73 * 0.0031667) = 0.0103 rows of 100.
    cells = np.zeros((2, len(Layer), 1))
    for group, favorable in enumerate((25, 45)):
        cells[group, :, 0] = [
            100 - favorable,
            favorable,
            0.25 * (100 - favorable),
            0.25 * favorable,
            0.0625 * (100 - favorable),
            0.5625 * favorable,
            0.5,
            2,
        ]
    x = 20 / np.sqrt(28.75) - 1
    later = np.sqrt(28.75) * (2 * norm.pdf(x) - 2 * x * norm.sf(x)) / 100
    assert calibration_lift(cells) == pytest.approx([0.034549, later], abs=1e-6)
    assert later == pytest.approx(0.000103, abs=1e-5)


@pytest.mark.parametrize("groups", [3, MOST_PAIRED])
def test_the_largest_change_of_two_curves_is_that_over_all_pairs(groups):
    generator = np.random.default_rng(groups)
    cells = generator.integers(5, 50, (groups, 4))
    names = tuple(f"{i:02}" for i in range(groups))
    table = Table(
        kind=Cells.CLUSTERS,
        attributes=("g",),
        groups=tuple((name,) for name in names),
        names=names,
        rows=cells.sum(1),
        cells=cells,
        classes=tuple("ABCD"),
    )
    options = BiasOptions(min_group_size=1)
    (block,) = table.draws(np.arange(groups), 20, 1)
    found = changes(compare(table, (Quantity.CLUSTER_COMPOSITION, 1), options, None), block)
    shares, drawn = (each / each.sum(-1, keepdims=True) for each in (cells, block))
    moved = drawn - shares
    by_pairs = [
        max(np.abs(each[i] - each[j]).sum() / 2 for i in range(groups) for j in range(i)) for each in moved
    ]
    assert found == pytest.approx(by_pairs)
