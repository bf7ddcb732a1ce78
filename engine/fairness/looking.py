"""What to look at about a gap that nothing can be simulated for, in words that fit the metric and the groups."""

from collections.abc import Mapping
from types import MappingProxyType

from engine.fairness.metrics import METRICS, QUANTITIES, AnalysisType
from engine.fairness.quantity import Cells, Quantity
from engine.fairness.report import AttributeReport, Finding, GroupReport
from engine.fairness.words import number
from engine.values import ModelType

MOSTLY = 0.5
"""Share of a gap in predictions that labels must have for it to be called theirs."""
LAW = (
    "Treating groups differently may be unlawful in some places, even where it makes outcomes more alike: take legal"
    " advice first."
)
TRIED = (
    "Then analyse the new model on the same rows and compare the two analyses: that measures what it brought."
)

LOOK: Mapping[ModelType, str] = MappingProxyType(
    {
        ModelType.CLASSIFICATION: "Look at how well the features describe {lowest} and {highest}, and whether their"
        " labels are as reliable. Train with more rows of the groups that are served worse, or give these more weight.",
        ModelType.REGRESSION: "Look at the sign of the mean error of {lowest} and of {highest}. Where a group's errors"
        " have one sign, recalibrate its predictions on rows that were not trained on, or look for the feature that is"
        " missing. Where they are only larger, train with more of its rows, or give them more weight in the loss."
        f" {LAW}",
        ModelType.CLUSTERING: "Look at which clusters rows of {lowest} and of {highest} fall into, and what"
        " these have in common otherwise. Try other numbers of clusters; look among the features for those that stand in for"
        " {attribute}; and try a fair k-means, which bounds the share of each group in every cluster (Chierichetti et"
        " al. 2017, Bera et al. 2019) or the cost of the worst served group (Ghadiri et al. 2021).",
        ModelType.RECOMMENDATION: "Look at whether users of {lowest} and of {highest} have as many interactions to"
        " learn from, and train with more of those of users who are served worse. Re-rank lists so that they"
        " are shown what is as relevant.",
    }
)
"""What to do about a gap that is not simulated."""
OF_ITEMS = (
    "These are groups of items, not of users: re-rank the lists under a constraint on the exposure that each group of"
    " items gets (Singh and Joachims 2018), and look at whether items of {lowest} and of {highest} have had as many"
    " chances to be seen in the data that were trained on."
)
OF_CLASSES = (
    "Look at which classes the model confuses for {lowest} and for {highest}, whether their labels are as reliable,"
    " and train with more of their rows in the classes that go wrong, or give these more weight. Where one class is"
    " what is good for the person, name it as the favourable value: then there is one decision to look at."
)
IN_LABELS = (
    "Most of this gap is in the labels, so a model that follows them predicts it. Ask whether the labels carry past unequal"
    " treatment, and whether people should be told apart by them: predictions that are made alike err more where labels"
    f" differ. {LAW}"
)
IN_MODEL = (
    "Less than half of this gap is in the labels: the model makes the rest. Look for features that stand in for"
    " {attribute}, and recalibrate the predictions of each group on rows that were not trained on."
    f" {LAW}"
)
BENEFITS = (
    "Benefits are what a person gets beside what the label says: look at whether errors for or against people weigh more,"
    " and make fewer of those."
)
SIMILAR = (
    "Look at rows that are alike and were decided differently, such as the worst pairs of the report: which feature sets"
    " them apart, and should it? Decisions differ less between near rows where the score is smoother: with fewer"
    " features, or a model that is held simpler."
)


def what_to_look_at(finding: Finding, report: AttributeReport | None, classes: int = 2) -> str:
    """What to look at and to try.

    Args:
        finding: what fails or may fail.
        report: of its groups; None for a metric of all rows.
        classes: of a classification; more than two are judged one by one.
    """
    nobody = unknown(finding, report)
    if nobody:
        return nobody
    of = METRICS[finding.metric].of
    if not finding.attributes:
        said = BENEFITS if of else SIMILAR
    elif any(QUANTITIES[quantity].cells is Cells.EXPOSURES for quantity in of):
        said = OF_ITEMS
    elif classes > 2:
        said = OF_CLASSES
    else:
        said = _of_predictions(finding, report) or LOOK[METRICS[finding.metric].model]
    return said.format(
        lowest=finding.lowest or "each group",
        highest=finding.highest or "the others",
        attribute=finding.attribute,
    )


def unknown(finding: Finding, report: AttributeReport | None) -> str:
    """What to do where one end of the gap are rows whose attribute is missing; empty where that is not so."""
    names = {group.name for group in report.groups if None in group.values} if report is not None else set()
    ends = [end for end in (finding.lowest, finding.highest) if end in names]
    if not ends:
        return ""
    return (
        f"{' and '.join(dict.fromkeys(ends))} holds the rows without a value of {finding.attribute}, which are no group of"
        " people: find out who they are and why it is missing, and record it. What lies beyond the limit among the"
        " known groups stands in the description of the finding."
    )


def _of_predictions(finding: Finding, report: AttributeReport | None) -> str | None:
    """For a gap in what a regression predicts: how much of it is in the labels."""
    spec = METRICS[finding.metric]
    if spec.model is not ModelType.REGRESSION or AnalysisType.DEMOGRAPHIC_PARITY not in spec.answers:
        return None
    ends = [
        (_of(group, Quantity.MEAN_PREDICTION), _of(group, Quantity.MEAN_LABEL), group.name)
        for group in (report.groups if report is not None else ())
        if group.name in (finding.lowest, finding.highest)
    ]
    known = sorted((p, y, name) for p, y, name in ends if p is not None and y is not None)
    if len(known) != 2:
        return None
    (least, label, low), (most, other, high) = known
    said = IN_LABELS if other - label >= MOSTLY * (most - least) else IN_MODEL
    names = (name.replace("{", "{{").replace("}", "}}") for name in (low, high))
    low, high = names
    return (
        f"The mean prediction is {number(least)} for {low} and {number(most)} for {high}, the mean label {number(label)}"
        f" and {number(other)}. {said}"
    )


def _of(group: GroupReport, quantity: Quantity) -> float | None:
    return next((each.value for each in group.metrics if each.quantity is quantity), None)
