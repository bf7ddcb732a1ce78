"""Classification: decisions, and the scores behind them."""

from collections.abc import Sequence
from functools import lru_cache

from engine.errors import InvalidInput
from engine.fairness.counting import count
from engine.fairness.evidence import Evidence, Family, Summary
from engine.fairness.options import BiasColumns, BiasOptions
from engine.fairness.outcomes import Decisions, decisions, favorable_labels, refuse_other_labels, table
from engine.fairness.quantity import Cells
from engine.fairness.remedies import recommendations
from engine.fairness.report import AttributeReport, Finding, Recommendation
from engine.fairness.scores import Scores, decidable, score_table
from engine.fairness.scores import summarise as summarise_scores
from engine.fairness.simulating import Ground
from engine.fairness.tables import Table
from engine.fairness.words import so_many
from engine.tables.part import Part
from engine.values import Tell

MAX_SCORED_GROUPS = 50
"""Scores are compared between at most so many groups: every pair of curves is measured in every draw."""


def summarise(path: Part, columns: BiasColumns, options: BiasOptions, tell: Tell) -> Summary:
    """A count cube, and a summary of scores where there are labels to compare them with and no weights."""
    cube = count(path, columns, tell, options)
    if columns.score is None or columns.label is None or columns.weights is not None:
        return (cube,)
    return cube, summarise_scores(path, columns, options)


def evidence(summary: Summary, columns: BiasColumns, options: BiasOptions) -> Evidence:
    """Tables of label by prediction, of stratum by prediction, and of label by bin of the score.

    Raises:
        InvalidInput: no row weighs anything, or it is not clear which values are favourable.
    """
    weights = summary[0].weights
    if weights is not None and not weights[:, 0].any():
        raise InvalidInput("all weights are 0: there is nothing to compare", at=("weights",))
    if columns.prediction is None:
        refuse_other_labels(summary[0])
    data = decisions(summary[0], "prediction" if columns.prediction is not None else "finite score")
    favorable = favorable_labels(summary[0])
    known = summary[1] if len(summary) > 1 else None
    missing = _missing(data, columns, known)
    scores = known if missing is None else None

    @lru_cache(maxsize=16)
    def scored(attributes: tuple[int, ...]) -> Table | None:
        like = table(data, attributes)
        if scores is None or len(like.names) > MAX_SCORED_GROUPS:
            return None
        found = score_table(scores, favorable, like, attributes)
        return found if found.cells[:, :2].any() else None

    def tables(attributes: tuple[int, ...]) -> Sequence[Table]:
        found = [table(data, attributes)]
        if data.stratum is not None and len(data.classes) == 2 and attributes:
            found.append(table(data, attributes, Cells.STRATA))
        of_scores = scored(attributes) if attributes else None
        return found if of_scores is None else [*found, of_scores]

    def ground(name: str) -> Ground:
        attributes = (next(i for i, axis in enumerate(data.protected) if axis.name == name),)
        decided = table(data, attributes)
        if scores is None:
            return Ground(decided=decided)
        counts, least = decidable(scores, favorable, decided, attributes)
        return Ground(
            decided=decided,
            scored=scored(attributes),
            counts=counts,
            least=least,
            threshold=scores.threshold if columns.prediction is None else None,
        )

    def recommend(
        reports: Sequence[AttributeReport], overall: Sequence[Finding], options: BiasOptions
    ) -> tuple[Recommendation, ...]:
        return recommendations(reports, overall, options, ground, missing)

    return Evidence(
        protected=data.protected,
        rows=data.rows,
        excluded=data.excluded,
        exclusion_reason=data.exclusion_reason,
        tables=tables,
        labelled=columns.label is not None,
        classes=len(data.classes),
        favorable=data.favorable,
        notes=(*data.notes, *_on_scores(columns, scores, missing)),
        recommend=recommend,
    )


def _missing(data: Decisions, columns: BiasColumns, scores: Scores | None) -> str | None:
    """Why thresholds cannot be simulated, and what data would allow it."""
    if columns.score is None:
        return "With the score behind each decision as a column, and a label, it could be."
    if columns.label is None:
        return "With the true outcome as label beside the score, it could be."
    if len(data.classes) != 2:
        return "Name one favourable value: thresholds are simulated for two outcomes only."
    if columns.weights is not None:
        return "Rows have weights, which comparisons of scores do not take into account; leave them out to compare."
    if scores is None:
        return "Read the rows again with the score, and it could be."
    if scores.too_fine:
        return "The protected columns split the scores too finely; ask for fewer of them at once."
    if not scores.labelled.any():
        return f"None of {scores.rows:,} rows has both a label and a finite score."
    return None


def _on_scores(columns: BiasColumns, scores: Scores | None, missing: str | None) -> tuple[str, ...]:
    if columns.score is None or columns.label is None:
        return ()
    if scores is None:
        return (f"Scores were not compared. {missing}",)
    notes = []
    if scores.left_out:
        notes.append(
            f"{so_many(scores.left_out, 'rows have no label or no finite score')}, and metrics of scores leave such out."
        )
    if not (scores.lowest >= 0 and scores.highest <= 1):
        notes.append(
            f"Scores go from {scores.lowest:g} to {scores.highest:g} and are no probabilities, so calibration and"
            " Brier score are undefined."
        )
    how = (
        "Each score was taken as it is."
        if scores.exact
        else "Scores were counted in bins of less than 1 % of the distance to 0 or 1, whichever is nearer; scores of"
        " one bin count as equal where AUC and ROC curves are made."
    )
    notes.append(
        f"{how} Where a comparison has many groups, ROC curves and intervals rest on fewer bins, at least 64."
        f" Scores are compared between at most {MAX_SCORED_GROUPS} groups."
    )
    return tuple(notes)


CLASSIFICATION = Family(summarise=summarise, evidence=evidence)
