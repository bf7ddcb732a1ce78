"""Quantities of decisions: read from counts of label by prediction."""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from engine.fairness.quantity import Numbers, Quantity, QuantitySpec, Share, Statistic


def one_against_rest(cells: Numbers, outcome: int) -> Numbers:
    """Cells of all classes, (..., classes + 1, classes), as those of one class, (..., 3, 2)."""
    classes = cells.shape[-1]
    if classes == 2 and outcome == 1:
        return cells
    chosen = cells[..., :, outcome]
    parts = [cells.sum(-1) - chosen, chosen]
    predicted = np.stack(parts, axis=-1)
    labelled = predicted[..., :classes, :].sum(-2)
    hit = predicted[..., outcome, :]
    return np.stack([labelled - hit, hit, predicted[..., classes, :]], axis=-2)


def _labelled(t: Numbers) -> Numbers:
    rows: Numbers = t[..., :-1, :].sum((-1, -2))
    return rows


def _right(t: Numbers) -> Numbers:
    rows: Numbers = np.trace(t[..., :-1, :], axis1=-2, axis2=-1)
    return rows


def _recalls(t: Numbers) -> Numbers:
    labels = t[..., :-1, :]
    with np.errstate(divide="ignore", invalid="ignore"):
        share: Numbers = np.diagonal(labels, axis1=-2, axis2=-1) / labels.sum(-1)
    return share


def _of_mean_recall(t: Numbers) -> Numbers:
    """Squared error of the mean of the recalls, which are independent shares; smoothed as in `intervals.linear`."""
    labels = t[..., :-1, :]
    rows = labels.sum(-1) + 4
    smooth = (np.diagonal(labels, axis1=-2, axis2=-1) + 2) / rows
    found: Numbers = (smooth * (1 - smooth) / rows).mean(-1) / labels.shape[-1]
    return found


def _benefits(t: Numbers) -> tuple[Numbers, Numbers, Numbers]:
    """Shares of labelled rows with benefit 1 and 2 relative to the mean benefit, and that mean."""
    n = _labelled(t)
    with np.errstate(divide="ignore", invalid="ignore"):
        one, two = _right(t) / n, t[..., 0, 1] / n
    return one, two, one + 2 * two


def _entropy(t: Numbers) -> Numbers:
    one, two, mean = _benefits(t)
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Numbers = ((one + 4 * two) / mean**2 - 1) / 2
    return found


def _theil(t: Numbers) -> Numbers:
    one, two, mean = _benefits(t)
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Numbers = (-one * np.log(mean) + 2 * two * np.log(2 / mean)) / mean
    return found


def _smoothed(t: Numbers) -> tuple[Numbers, Numbers, Numbers]:
    """Shares with benefit 0 and 2, one row added to both and two that are right, and the rows so counted.

    As in `intervals.linear`: where nobody was wrong, somebody may yet be.
    """
    rows = _labelled(t) + 4
    return (t[..., 1, 0] + 1) / rows, (t[..., 0, 1] + 1) / rows, rows


def _entropy_variance(t: Numbers) -> Numbers:
    """Squared error of the generalized entropy, by its influence function (delta method) at smoothed shares."""
    zero, two, rows = _smoothed(t)
    one = 1 - zero - two
    mean, square = one + 2 * two, one + 4 * two
    found: Numbers = np.zeros_like(zero)
    for share, benefit in ((zero, 0), (one, 1), (two, 2)):
        moved = (benefit**2 - square) / (2 * mean**2) - square * (benefit - mean) / mean**3
        found = found + share * moved**2
    return found / rows


def _theil_variance(t: Numbers) -> Numbers:
    """The same of the Theil index, which is mean(b ln b) / mean(b) - ln mean(b)."""
    zero, two, rows = _smoothed(t)
    one = 1 - zero - two
    mean, product = one + 2 * two, two * 2 * np.log(2)
    found: Numbers = np.zeros_like(zero)
    for share, benefit, own in ((zero, 0, 0.0), (one, 1, 0.0), (two, 2, 2 * np.log(2))):
        moved = (own - product) / mean - (benefit - mean) * (product / mean**2 + 1 / mean)
        found = found + share * moved**2
    return found / rows


OF_OUTCOMES: Mapping[Quantity, QuantitySpec] = MappingProxyType(
    {
        Quantity.SELECTION_RATE: QuantitySpec(
            how=Share(counted=lambda t: (t[..., 1].sum(-1), t.sum((-1, -2)))),
            title="selection rate",
            among="rows",
            labelled=False,
        ),
        Quantity.BASE_RATE: QuantitySpec(
            how=Share(counted=lambda t: (t[..., 1, :].sum(-1), _labelled(t))),
            title="base rate",
            among="rows with a label",
        ),
        Quantity.TRUE_POSITIVE_RATE: QuantitySpec(
            how=Share(counted=lambda t: (t[..., 1, 1], t[..., 1, :].sum(-1))),
            title="true positive rate",
            among="rows with a favourable label",
            harm_when_low="those of {} with a favourable label most often do not get the favourable decision",
        ),
        Quantity.FALSE_POSITIVE_RATE: QuantitySpec(
            how=Share(counted=lambda t: (t[..., 0, 1], t[..., 0, :].sum(-1))),
            title="false positive rate",
            among="rows with an unfavourable label",
        ),
        Quantity.PRECISION: QuantitySpec(
            how=Share(counted=lambda t: (t[..., 1, 1], t[..., :2, 1].sum(-1))),
            title="precision",
            among="labelled rows with a favourable prediction",
        ),
        Quantity.FALSE_DISCOVERY_RATE: QuantitySpec(
            how=Share(counted=lambda t: (t[..., 0, 1], t[..., :2, 1].sum(-1))),
            title="false discovery rate",
            among="labelled rows with a favourable prediction",
        ),
        Quantity.FALSE_OMISSION_RATE: QuantitySpec(
            how=Share(counted=lambda t: (t[..., 1, 0], t[..., :2, 0].sum(-1))),
            title="false omission rate",
            among="labelled rows with an unfavourable prediction",
            harm_when_high="those of {} who are denied are most often denied wrongly",
        ),
        Quantity.F1: QuantitySpec(
            how=Share(
                counted=lambda t: (t[..., 1, 1], _labelled(t) - t[..., 0, 0]),
                link=lambda j: 2 * j / (1 + j),  # of TP / (TP + FP + FN)
                slope=lambda j: 2 / (1 + j) ** 2,
            ),
            title="F1 score",
            among="rows with a favourable label or a favourable prediction",
        ),
        Quantity.TREATMENT_RATIO: QuantitySpec(
            how=Share(
                counted=lambda t: (t[..., 1, 0], t[..., 1, 0] + t[..., 0, 1]),
                link=lambda share: share / (1 - share),
                slope=lambda share: 1 / (1 - share) ** 2,
            ),
            title="ratio of false negatives to false positives",
            among="wrong predictions",
            without="wrong predictions that are favourable",
            harm_when_high="errors about {} are most often wrong denials",
        ),
        Quantity.ACCURACY: QuantitySpec(
            how=Share(counted=lambda t: (_right(t), _labelled(t))),
            title="accuracy",
            among="rows with a label",
            by_class=False,
            harm_when_low="decisions about {} are most often wrong",
        ),
        Quantity.BALANCED_ACCURACY: QuantitySpec(
            how=Statistic(
                value=lambda t: _recalls(t).mean(-1),
                base=lambda t: t[..., :-1, :].sum(-1).min(-1),
                variance=_of_mean_recall,
            ),
            title="balanced accuracy",
            among="rows of the rarest class",
            by_class=False,
            harm_when_low="decisions about {} are most often wrong",
        ),
        Quantity.GENERALIZED_ENTROPY: QuantitySpec(
            how=Statistic(value=_entropy, base=_labelled, high=None, variance=_entropy_variance),
            title="generalized entropy of benefits",
            among="rows with a label",
            whole=True,
        ),
        Quantity.THEIL: QuantitySpec(
            how=Statistic(value=_theil, base=_labelled, high=None, variance=_theil_variance),
            title="Theil index of benefits",
            among="rows with a label",
            whole=True,
        ),
    }
)
