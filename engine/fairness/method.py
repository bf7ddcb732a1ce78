"""How the numbers of a report were made, in sentences: only what applies to the report at hand."""

from collections.abc import Iterator, Sequence

from engine.fairness.balances import BALANCES
from engine.fairness.metrics import METRICS, QUANTITIES, Form
from engine.fairness.quantity import Curve, Quantity, Share, Statistic
from engine.fairness.report import AttributeReport, Finding

GAPS = frozenset({Form.DIFFERENCE, Form.AVERAGE, Form.LARGEST})
RATIOS = frozenset({Form.RATIO, Form.AGAINST_REFERENCE})
MAX_T = "have simultaneous max-t intervals over all pairs of groups"


def notes(findings: Sequence[Finding], reports: Sequence[AttributeReport]) -> tuple[str, ...]:
    """How what is shown of groups, and what was found, was measured and judged."""
    shown = {metric.quantity for report in reports for group in report.groups for metric in group.metrics}
    return (*_on_groups(shown), *_on_gaps(findings), *_on_verdicts(findings))


def _on_groups(shown: set[Quantity]) -> Iterator[str]:
    shares = {each for each in shown if isinstance(QUANTITIES[each].how, Share)}
    if shares:
        f1 = "; that of F1 is the Wilson interval of TP / (TP + FP + FN) carried over by F1 = 2 J / (1 + J)"
        yield f"Rates within a group have Wilson intervals{f1 if Quantity.F1 in shares else ''}."


def _on_gaps(findings: Sequence[Finding]) -> Iterator[str]:
    forms = {METRICS[finding.metric].form for finding in findings}
    pairs = {(q, METRICS[f.metric].form) for f in findings for q in METRICS[f.metric].of}
    shares = {form for quantity, form in pairs if isinstance(QUANTITIES[quantity].how, Share)}
    if shares & GAPS:
        yield (
            f"Gaps between the rates of groups {MAX_T}: bootstrap samples are multinomial draws from the counts, and"
            " variances are smoothed by (k + 2) / (n + 4), so that rates of 0 and 1 have an error too."
        )
    if shares & RATIOS:
        yield (
            f"Ratios of rates {MAX_T} on the logarithmic scale, half a row added to k and n, with variances smoothed by"
            " (k + 1) / (n + 2), and are never surer than independent normal errors of these variances would make"
            " them; where a rate is 0 the interval is extended to the observed ratio of 0."
        )
    if forms & set(BALANCES):
        yield "Balances have intervals that hold for all clusters and groups at once, on the logarithmic scale."
    yield from _on_statistics(pairs)
    if any(isinstance(QUANTITIES[quantity].how, Curve) and form is Form.DISTANCE for quantity, form in pairs):
        yield (
            "Distributions and curves are compared by their largest distance and the largest change of it in draws: over"
            " all pairs of up to 40 groups, and of more groups by the sum of the two largest changes, which is safe and"
            " wider."
        )


def _on_statistics(pairs: set[tuple[Quantity, Form]]) -> Iterator[str]:
    """On quantities that are no shares: in groups, and of all rows."""
    compared = {quantity for quantity, form in pairs if form in GAPS | RATIOS | {Form.SCORE}}
    known: list[str] = []
    drawn: list[str] = []
    for quantity in Quantity:
        how = QUANTITIES[quantity].how
        if quantity in compared and isinstance(how, Statistic):
            (drawn if how.variance is None else known).append(QUANTITIES[quantity].title)
    if known:
        yield f"With a variance of its own in each draw: {', '.join(known)}. Gaps and ratios of these {MAX_T}."
    if drawn:
        yield f"With the variance that first draws show: {', '.join(drawn)}. Gaps and ratios of these {MAX_T}."


def _on_verdicts(findings: Sequence[Finding]) -> Iterator[str]:
    if any(finding.p_value is not None for finding in findings):
        yield (
            "The intervals of one finding hold together; verdicts follow them. p-values ask whether there is any gap, and"
            " are also given adjusted over all findings of the report, by Holm and by Benjamini and Hochberg."
        )
    yield (
        "Pass: the whole interval is acceptable. Fail: none of it is. Warning: it straddles the limit. Insufficient"
        " evidence: fewer than two groups have minGroupSize rows, and as many in the denominator of the rate that is"
        " compared."
    )
