"""What would have to change for another answer: the nearest changes within what may change, each verified by the model.

Two kinds of start: rows of the background that already get the wanted answer, of which every change is taken back that
is not needed; and a search that changes the most promising features one by one. Then each changed number is moved back
towards its own value as far as the answer allows. A heuristic: a nearer change may exist, but every one that is told
does what it says. Source of the distance: Wachter, Mittelstadt and Russell, 2017; of diversity: Mothilal et al., 2020.
"""

from collections.abc import Mapping

from engine.explanations.answers import predicted, row_named, text
from engine.explanations.case import Case
from engine.explanations.changing import Change, Field
from engine.explanations.options import ExplanationKind
from engine.explanations.report import ChangedValue, Counterfactual, Explained, ExplanationMethod
from engine.explanations.searching import DEPTH, Search
from engine.explanations.wishes import Wish, wish_of
from engine.fairness.words import number, so_many
from engine.models.scorer import Numbers
from engine.values import LARGEST, Count, Step, Tell, portion

WHY = (
    "The nearest changes that were found by taking back what is not needed from background rows with the wanted answer,"
    " and by changing features one by one; each was put to the model. Nearer ones may exist."
)
HAS_IT = "it has the wanted answer already"
NOT_FOUND = (
    "no row of the background with the wanted answer helps, and no combination of up to"
    f" {DEPTH} features that was tried does"
)
TOGETHER = 50
"""Rows that are searched for in lock-step, so that the first ones are told before the last ones are known."""


def explained(case: Case) -> Explained:
    """Changes for each row that lead to the wanted answer."""
    made = _Made(case)
    wishes = {i: wish_of(case, case.scores[i]) for i in range(len(case.rows))}
    ungranted = [i for i, wish in wishes.items() if not wish.granted(case.scores[[i]])[0]]
    for start in range(0, len(ungranted), TOGETHER):
        some = {i: wishes[i] for i in ungranted[start : start + TOGETHER]}
        end = start + len(some)
        made.search(some, portion(case.tell, start / len(ungranted), end / len(ungranted)))
    found = [each for i in wishes for each in made.found.get(i, ())]
    without = [
        f"No change that is allowed was found for {_where(case, i)}: {NOT_FOUND if i in ungranted else HAS_IT}."
        for i in wishes
        if not made.found.get(i)
    ]
    return Explained(
        kind=ExplanationKind.COUNTERFACTUAL,
        method=ExplanationMethod.COUNTERFACTUAL_SEARCH,
        exact=False,
        why=WHY,
        summary=_sentence(case, found[0]) if found else without[0],
        unit="median absolute deviations",
        explained_class=case.options.wanted,
        perturbation=None,
        background=case.stated(),
        rows_used=Count(len(case.rows)),
        seconds=case.seconds,
        evaluations=Count(len(case.rows) + len(case.background) + made.evaluations),
        counterfactuals=tuple(found),
        notes=(*without, *_left_so(case, made.field)),
    )


class _Made:
    """What was found so far."""

    def __init__(self, case: Case) -> None:
        self.case, self.field = case, Field.of(case)
        self.found: dict[int, list[Counterfactual]] = {}
        self.evaluations = 0

    def search(self, wishes: Mapping[int, Wish], tell: Tell) -> None:
        """Search for some rows; missing values are only filled where nothing else helps, or a person named them."""
        self._once(wishes, fill=self.field.chosen, tell=portion(tell, 0.0, 0.5))
        lacking = {
            i: wish
            for i, wish in wishes.items()
            if not self.found[i] and any(text(value) is None for value in self.case.rows.iloc[i])
        }
        if lacking and not self.field.chosen:
            self._once(lacking, fill=True, tell=portion(tell, 0.5, 1.0))

    def _once(self, wishes: Mapping[int, Wish], *, fill: bool, tell: Tell) -> None:
        search = Search(self.case, self.field, wishes, fill=fill, tell=tell)
        for i, changes in search.nearest():
            self.found[i] = [self._told(i, *one) for one in changes]
            for each in self.found[i]:
                tell(Step(stage="searching", fraction=1.0, message=_sentence(self.case, each), partial=each))
        self.evaluations += search.evaluations

    def _told(self, i: int, change: Change, far: float, scores: Numbers) -> Counterfactual:
        case, of = self.case, self.field
        place, own = case.ids[i], {j: case.rows[of.names[j]].iloc[i] for j in change}
        return Counterfactual(
            row=None if place is None else Count(place),
            changes=tuple(
                ChangedValue(
                    feature=of.names[j],
                    before=case.text(of.names[j], own[j]),
                    after=case.text(of.names[j], value),
                )
                for j, value in sorted(
                    change.items(), key=lambda each: -of.far(each[0], own[each[0]], each[1])
                )
            ),
            prediction=float(scores[0, wish_of(case, case.scores[i]).place]),
            predicted=predicted(case.scorer, scores)[0],
            distance=far,
        )


def _left_so(case: Case, field: Field) -> list[str]:
    """Of which features some rows have numbers that no distance can be told from."""
    found = {
        case.names[j]: sum(not field.measurable(j, own) for own in case.rows[case.names[j]])
        for j in field.allowed
    }
    return [
        f"In {so_many(rows, 'rows')} {name} is not within -{LARGEST:g} and {LARGEST:g}, and was left as it is."
        for name, rows in found.items()
        if rows
    ]


def _where(case: Case, i: int) -> str:
    return "the given row" if case.ids[i] is None else f"row {case.ids[i]}"


def _sentence(case: Case, found: Counterfactual) -> str:
    where = row_named(found.row)
    changes = " and ".join(
        f"{each.feature} were {each.after} instead of {'missing' if each.before is None else each.before}"
        for each in found.changes
    )
    answer = repr(found.predicted) if case.scorer.signature.classes else number(found.prediction)
    return f"{where} would be answered {answer} if {changes}."
