"""Which features carry the gap between two groups: differences of mean Shapley values, which add up to it.

Each row's output is base + its Shapley values, with one base for all rows; so the difference of the mean outputs of two
groups is, feature by feature, the difference of their mean Shapley values.
"""

from collections.abc import Sequence

import numpy as np

from engine.errors import InvalidInput
from engine.explanations.case import Case
from engine.explanations.gap_report import FeatureGap, GroupGap
from engine.explanations.means import welch
from engine.explanations.options import ExplanationKind
from engine.explanations.pieces import in_pieces, one_answer
from engine.explanations.report import Explained
from engine.explanations.spending import affordable, taken
from engine.explanations.ways import way_for
from engine.fairness.membership import Membership
from engine.fairness.words import number, three_digits
from engine.models.ensemble import Link
from engine.models.scorer import Numbers
from engine.values import Count, Step

LOG_ODDS = Link.LOGISTIC.unit
SAID = 3
"""Features in the summary."""
LEAST_ROWS = 2
"""Of a group, for there to be a spread."""
WHAT_IT_IS = (
    "What a feature adds is how the model uses it on rows of the one group and of the other. It says neither that the"
    " feature is at fault nor that the gap would be smaller without it, as a model that is trained anew may use another"
    " one that tells the same."
)
SIGNS = "A part with the sign of the gap makes it wider, one with the other sign narrower."
ADD_UP = (
    "Parts are in log-odds, in which they add up; how much one is in probability depends on the others. A gap in log-odds is"
    " no gap in decisions: a bias analysis has those."
)
GIVEN_BACKGROUND = "Intervals are for other rows like these; the background is taken as given."


def chosen_groups(groups: Membership, group: str | None, reference: str | None) -> tuple[int, int]:
    """Places of the group and of the one it is compared with.

    Raises:
        InvalidInput: there is no such group, it has too few rows, or there are several to choose from.
    """
    sizes = groups.sizes
    for at, name in (("group", group), ("reference", reference)):
        if name is not None and name not in groups.names:
            raise InvalidInput(
                f"{groups.attribute} has no group {name!r}; its groups are {_listed(groups.names)}", at=(at,)
            )
    named = None if group is None else groups.names.index(group)
    there = [
        int(place)
        for place in np.argsort(-sizes, kind="stable")
        if sizes[place]
        and place not in (named, groups.missing)  # without a value, rows are no group to start from
    ]
    if not there and reference is None:
        valued = "" if groups.missing is None else " that have a value"
        raise InvalidInput(f"all rows{valued} are in one group of {groups.attribute}", at=("attribute",))
    other = there[0] if reference is None else groups.names.index(reference)
    if named is None:
        left = [place for place in there if place != other]
        if len(left) != 1:
            names = [groups.names[place] for place in sorted(left)]
            raise InvalidInput(
                f"name the group to compare with {groups.names[other]!r}: {_listed(names) or 'there is no other'}",
                at=("group",),
            )
        named = left[0]
    for at, place in (("group", named), ("reference", other)):
        if sizes[place] < LEAST_ROWS:
            raise InvalidInput(
                f"the group {groups.names[place]!r} has {sizes[place]} of the rows, and at least {LEAST_ROWS} are needed",
                at=(at,),
            )
    return named, other


def explained(case: Case) -> Explained:
    """How the difference of a model's mean outputs for two groups of `case.groups` falls to its features.

    Rows of other groups take no part.

    Raises:
        InvalidInput: the groups cannot be compared, or the options do not fit the model.
    """
    groups, options = case.groups, case.options
    assert groups is not None  # noqa: S101  `asking` reads them for this kind
    one, other = chosen_groups(groups, options.group, options.reference)
    at = np.flatnonzero((groups.of == one) | (groups.of == other))
    way, explainer, why = way_for(theirs := taken(case, at))
    places, notes = affordable(theirs, explainer.cost, groups.of[at] == one)
    theirs, at = taken(theirs, places), at[places]
    first = groups.of[at] == one
    names = groups.names[one], groups.names[other]
    answers = one_answer(theirs)
    values, outputs = np.empty((0, len(case.names))), np.empty(0)
    evaluations = 0
    for done, found in in_pieces(explainer, theirs.rows, answers):
        values = np.concatenate([values, found.values])
        outputs = np.concatenate([outputs, found.outputs])
        evaluations += found.evaluations
        if done < len(at):
            _tell(theirs, _features(theirs, values, first[:done], groups.attribute), done, names)
    features = _features(theirs, values, first, groups.attribute)
    _tell(theirs, features, len(at), names)
    scores = theirs.scores[:, answers[0].place]
    shown = features[: options.max_features]
    gap = GroupGap(
        attribute=groups.attribute,
        group=names[0],
        reference=names[1],
        rows=Count(int(first.sum())),
        reference_rows=Count(int((~first).sum())),
        score=float(scores[first].mean()),
        reference_score=float(scores[~first].mean()),
        difference=_difference(outputs, first),
        interval=welch(outputs[first], outputs[~first], options.confidence),
        features=shown,
        others=sum(each.difference for each in features[len(shown) :]),
    )
    perturbation, background = case.game()
    return Explained(
        kind=ExplanationKind.GAP,
        method=way.method,
        exact=way.exact,
        why=why,
        summary=_summary(gap, answers[0].name, explainer.unit),
        unit=explainer.unit,
        explained_class=answers[0].name,
        perturbation=perturbation,
        background=background,
        rows_used=Count(len(at)),
        seconds=theirs.seconds,
        evaluations=Count(evaluations + len(at)),
        gap=gap,
        largest_additivity_error=abs(sum(each.difference for each in features) - gap.difference),
        notes=(
            WHAT_IT_IS,
            SIGNS,
            *((ADD_UP,) if explainer.unit == LOG_ODDS else ()),
            *(() if case.by_paths else (GIVEN_BACKGROUND,)),
            *notes,
            *groups.notes,
        ),
    )


def _features(case: Case, values: Numbers, first: np.ndarray, attribute: str) -> tuple[FeatureGap, ...]:
    """All features, those that carry most first; none before there are rows of both groups."""
    if first.all() or not first.any():
        return ()
    found = [
        FeatureGap(
            feature=name,
            difference=_difference(of, first),
            interval=welch(of[first], of[~first], case.options.confidence),
            mean=float(of[first].mean()),
            reference_mean=float(of[~first].mean()),
            protected=name == attribute,
        )
        for name, of in zip(case.names, values.T, strict=True)
    ]
    return tuple(sorted(found, key=lambda each: -abs(each.difference)))


def _difference(values: Numbers, first: np.ndarray) -> float:
    return float(values[first].mean() - values[~first].mean())


def _tell(case: Case, features: Sequence[FeatureGap], done: int, names: tuple[str, str]) -> None:
    for each in features[: case.options.max_features]:
        case.tell(
            Step(
                stage="explaining",
                fraction=done / len(case.rows),
                message=f"After {done:,} of {len(case.rows):,} rows {each.feature} adds {three_digits(each.difference, '+')} to the gap"
                f" between {names[0]} and {names[1]}",
                partial=each,
                interim=done < len(case.rows),
            )
        )


def _summary(gap: GroupGap, name: str | None, unit: str) -> str:
    of = "predicted value" if name is None else f"score of {name!r}"
    said = (
        f"The mean {of} is {number(gap.score)} for {gap.group} and {number(gap.reference_score)} for {gap.reference}"
        f" ({gap.attribute}). The gap is {three_digits(gap.difference, '+')} (in {unit})"
    )
    parts = [
        f"{each.feature} ({three_digits(each.difference, '+')})"
        for each in gap.features[:SAID]
        if each.difference
    ]
    if not parts:
        return f"{said}, and no feature adds to it."
    return f"{said}; its largest {'part is' if len(parts) == 1 else 'parts are'} {', '.join(parts)}."


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:20])
    return f"{shown} and {len(names) - 20:,} more" if len(names) > 20 else shown
