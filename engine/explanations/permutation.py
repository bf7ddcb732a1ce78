"""Permutation importance: how much worse a model gets when a feature tells nothing any more.

Source: Breiman, 2001; Fisher, Rudin and Dominici, JMLR 2019. All features are shuffled by the same orders, several
shuffles are scored at once, and where the model's structure is known the rows are encoded once only.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from engine.errors import InvalidInput
from engine.explanations.case import Case
from engine.explanations.measures import MEASURES, Measured, labels
from engine.explanations.mixing import BLOCK
from engine.explanations.options import ExplanationKind
from engine.explanations.performance import Performance, checked
from engine.explanations.report import Explained, ExplanationMethod, Importance
from engine.fairness.words import so_many, three_digits
from engine.models.scorer import Inside, Numbers, bounded
from engine.values import Count, Interval, Step

WHY = (
    "Each feature was shuffled over the rows, so that it tells nothing any more, and the loss of performance was measured;"
    " intervals are for other rows like these. Features that tell the same hide each other: shuffle them as a group."
)
Shuffled = Callable[[Sequence[tuple["Shuffle", NDArray[np.intp]]]], Numbers]
"""From shuffles and orders to the scores (shuffles, rows, classes)."""


@dataclass(frozen=True, kw_only=True)
class Shuffle:
    """Features that are shuffled together."""

    name: str
    features: tuple[str, ...]


def explained(case: Case) -> Explained:
    """The importance of every feature or group, with intervals."""
    found = importances(case)
    shown = sorted(found.importances, key=lambda each: -(each.importance or 0.0))[: case.options.max_features]
    first = [f"{each.feature} ({three_digits(each.importance)})" for each in shown[:3] if each.importance]
    summary = (
        f"Shuffling costs most {found.measure.words} for {', '.join(first)}, of {three_digits(found.whole.value)}."
        if first and found.whole.value is not None
        else f"No feature could be shown to matter: {found.whole.reason or 'shuffling changes nothing'}."
    )
    return Explained(
        kind=ExplanationKind.PERMUTATION,
        method=ExplanationMethod.PERMUTATION_IMPORTANCE,
        exact=False,
        why=WHY,
        summary=summary,
        unit=found.measure.words,
        explained_class=None,
        perturbation=None,
        background=None,
        rows_used=Count(found.rows),
        seconds=case.seconds,
        evaluations=Count(found.evaluations),
        importances=tuple(shown),
        performance=found.measure,
        performance_value=found.whole.value,
        notes=found.notes,
    )


@dataclass(frozen=True, kw_only=True)
class Found:
    """What shuffling has shown."""

    measure: Performance
    whole: Measured
    importances: tuple[Importance, ...]
    """In the order of the shuffles."""
    rows: int
    evaluations: int
    notes: tuple[str, ...]


def importances(case: Case) -> Found:
    """Shuffle every feature or group.

    Raises:
        InvalidInput: no label is named, it does not fit the model, or a group names what the model does not look at.
    """
    if case.labels is None:
        raise InvalidInput("permutation importance needs the column with the true outcome", at=("label",))
    measure = checked(case.options.performance, case.scorer.signature.task)
    truth, present = labels(case.labels, case.scorer.signature)
    if not len(truth):
        raise InvalidInput(f"no row has a value in the label {case.labels.name!r}", at=("label",))
    of = MEASURES[measure].of
    whole = of(truth, case.scores[present])
    shuffles = _shuffles(case)
    generator = np.random.default_rng(case.options.seed)
    orders = [generator.permutation(len(truth)) for _ in range(case.options.repeats)]
    losses: dict[str, list[Measured]] = {each.name: [] for each in shuffles}
    every = [(each, order) for each in shuffles for order in orders]
    at_once = max(1, BLOCK // len(truth))
    scored = _scored(case, present)
    for start in range(0, len(every), at_once):
        some = every[start : start + at_once]
        for (each, _), scores in zip(some, scored(some), strict=True):
            losses[each.name].append(of(truth, scores))
        done = min(len(every), start + at_once)
        case.tell(
            Step(
                stage="shuffling",
                fraction=done / len(every),
                message=f"{done:,} of {len(every):,} shuffles are scored",
            )
        )
    unlabelled = int((~present).sum())
    return Found(
        measure=measure,
        whole=whole,
        importances=tuple(
            _importance(each, whole, losses[each.name], case.options.confidence) for each in shuffles
        ),
        rows=len(truth),
        evaluations=len(case.rows) + len(every) * len(truth),
        notes=(f"{so_many(unlabelled, 'rows have no label')} and took no part.",) if unlabelled else (),
    )


def _importance(shuffle: Shuffle, whole: Measured, shuffled: list[Measured], confidence: float) -> Importance:
    features = shuffle.features if len(shuffle.features) > 1 else ()
    values = [each.value for each in shuffled]
    if whole.value is None or any(value is None for value in values):
        reason = whole.reason or next(each.reason for each in shuffled if each.reason)
        return Importance(
            feature=shuffle.name, importance=None, interval=None, features=features, reason=reason
        )
    loss = whole.value - float(np.mean([value for value in values if value is not None]))
    influence = whole.influence - np.mean([each.influence for each in shuffled], axis=0)
    error = float(influence.std(ddof=1)) / len(influence) ** 0.5 if len(influence) > 1 else None
    away = None if error is None else NormalDist().inv_cdf((1 + confidence) / 2) * error
    return Importance(
        feature=shuffle.name,
        importance=loss,
        interval=None if away is None else Interval(low=loss - away, high=loss + away),
        features=features,
    )


def _shuffles(case: Case) -> list[Shuffle]:
    """The groups that were asked for, and every other feature by itself."""
    grouped: dict[str, str] = {}
    shuffles: list[Shuffle] = []
    for i, group in enumerate(case.options.groups):
        for j, name in enumerate(group.features):
            at = ("groups", i, "features", j)
            if name in grouped:
                raise InvalidInput(f"{name!r} is in two groups, {grouped[name]!r} and {group.name!r}", at=at)
            grouped[name] = group.name
        if not group.features or group.name in [each.name for each in shuffles]:
            raise InvalidInput("a group has a name of its own and at least one feature", at=("groups", i))
        shuffles.append(Shuffle(name=group.name, features=tuple(group.features)))
    alone = [name for name in case.names if name not in grouped]
    clash = next((name for name in alone if name in [each.name for each in shuffles]), None)
    if clash is not None:
        raise InvalidInput(f"a group and a feature are both called {clash!r}", at=("groups",))
    return [*shuffles, *(Shuffle(name=name, features=(name,)) for name in alone)]


def _scored(case: Case, present: NDArray[np.bool_]) -> Shuffled:
    """How shuffled rows are scored: by the core on rows encoded once, where there is one."""
    if case.inside is not None:
        return _by_core(case, case.inside, case.inside.encode(case.rows[present]))
    rows = {name: case.rows[name].to_numpy()[present] for name in case.names}

    def scored(some: Sequence[tuple[Shuffle, NDArray[np.intp]]]) -> Numbers:
        columns = {
            name: np.concatenate(
                [rows[name][order] if name in each.features else rows[name] for each, order in some]
            )
            for name in case.names
        }
        return _parts(case.scorer.scores(pd.DataFrame(columns)), len(some))

    return scored


def _by_core(case: Case, inside: Inside, encoded: Numbers) -> Shuffled:
    def scored(some: Sequence[tuple[Shuffle, NDArray[np.intp]]]) -> Numbers:
        tiled = np.tile(encoded, (len(some), 1))
        for part, (each, order) in zip(np.split(tiled, len(some)), some, strict=True):
            players = [case.names.index(name) for name in each.features]
            columns = np.flatnonzero(np.isin(inside.players, players))
            part[:, columns] = encoded[order[:, None], columns]
        return _parts(bounded(inside.core.link.scores(inside.core.margins(tiled))), len(some))

    return scored


def _parts(scores: Numbers, parts: int) -> Numbers:
    return scores.reshape(parts, -1, scores.shape[1])
