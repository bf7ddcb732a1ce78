"""The door: a model, rows with labels and groups, and a constraint; a new model's file and what it brings.

    report = mitigate(tell, scorer, parts, options, target)

It belongs in a child that is kept in: it trains whatever the model's file holds.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import skops.io

from engine.errors import InvalidInput
from engine.fairness.membership import Membership, membership
from engine.mitigation.candidates import candidates
from engine.mitigation.learner import Decisions, Learner, favored
from engine.mitigation.measuring import Ground, choose
from engine.mitigation.options import MitigationOptions, refuse_untrainable
from engine.mitigation.report import Candidate, MitigationReport
from engine.mitigation.splitting import Places
from engine.mitigation.usable import usable
from engine.mitigation.wording import notes, summary
from engine.models import skops_file
from engine.models.rows import Sample, count, frame, look
from engine.models.scorer import Scorer
from engine.models.sklearn_scorer import SklearnScorer
from engine.models.values import place_of
from engine.tables.part import Part
from engine.values import Step, Tell, portion, silent

SAME = 1e-9
"""How far scores of the file may be from those of the model it was written from."""
READ, TRAINED = 0.1, 0.9
"""Shares of the work that are done then."""


def mitigate(
    tell: Tell,
    scorer: Scorer,
    parts: Sequence[Part],
    options: MitigationOptions,
    target: Path,
    allowed: Collection[str] = (),
) -> MitigationReport:
    """Train a model again under a constraint, and write the best one as a skops file.

    Args:
        allowed: types of objects that the organization opens beyond the usual.

    Raises:
        InvalidInput: the model cannot be trained again, or the rows do not allow it; `at` names the option.
    """
    tell(Step(stage="reading rows", fraction=0.0, message="Reading the rows, their labels and their groups"))
    look(parts, options.label, ("label",))
    groups, total = membership(parts, options.attribute, options.bands), count(parts)
    drawn = Sample(rows=options.sample_rows, seed=options.seed)
    rows = frame(parts, list(dict.fromkeys([*scorer.signature.names, options.label])), drawn)
    of = groups.taken(rows.index.to_numpy())
    report, made = mitigated(scorer, rows, of, options, portion(tell, READ, 1.0), total - len(rows))
    write(made, rows, target, allowed)
    return report


def mitigated(
    scorer: Scorer,
    rows: pd.DataFrame,
    groups: Membership,
    options: MitigationOptions,
    tell: Tell = silent,
    not_drawn: int = 0,
) -> tuple[MitigationReport, SklearnScorer]:
    """The same on rows that are read, without writing: what it brings, and the new model.

    Args:
        rows: at least the model's features and the label.
        groups: of each row.
        not_drawn: rows of the dataset that are not among these.
    """
    refuse_untrainable(scorer.signature)
    if not isinstance(scorer, SklearnScorer):
        raise InvalidInput("only scikit-learn models can be trained again", at=("model_id",))
    options.check(scorer.signature)
    signature = scorer.signature
    favorable = 1 if options.favorable is None else place_of(signature, options.favorable, ("favorable",))
    used = usable(rows[options.label], groups, signature, options, favorable, not_drawn)
    rows = rows.iloc[used.places]
    training, selection, held_out = (
        used.splits.training,
        used.splits.selection,
        used.splits.held_out,
    )
    learner = Learner(scorer, rows.iloc[training], used.truth[training], favorable, options.seed)
    named = [used.names[group] for group in used.groups[training]]

    def ground(places: Places) -> Ground:
        return Ground(names=used.names, groups=used.groups[places], truth=used.truth[places], options=options)

    def decide(made: SklearnScorer, places: Places) -> Decisions:
        return favored(made, rows.iloc[places], favorable)

    on, off = ground(selection), ground(held_out)
    models: dict[int, SklearnScorer] = {}
    measured: list[Candidate] = []

    def found(number: int, model: Any) -> None:
        models[number] = learner.scorer_of(model)
        measured.append(on.candidate(number, decide(models[number], selection)))
        tell(_trained(measured[-1], options.candidates))

    candidates(learner, named, options, found)
    curve = choose(measured, options.constraint_weight)
    chosen = next(each for each in curve if each.chosen)
    message = "Measuring the models on rows they have not seen"
    tell(Step(stage="measuring", fraction=TRAINED, message=message, partial=chosen))
    report = MitigationReport(
        summary="",
        constraint=options.constraint,
        metric=options.metric,
        attribute=options.attribute,
        label=options.label,
        favorable=signature.classes[favorable],
        rows=used.counted,
        before=off.measures(decide(scorer, held_out)),
        retrained=off.measures(decide(models[0], held_out)),
        mitigated=off.measures(decide(models[chosen.number], held_out)),
        candidates=curve,
        changed=chosen.number != 0,
        confidence=options.confidence,
        seed=options.seed,
    )
    said = notes(report, options, signature, used.small, groups.notes, learner.coarse)
    return replace(report, summary=summary(report), notes=said), models[chosen.number]


def _trained(candidate: Candidate, of: int) -> Step:
    done = candidate.number + 1
    message = f"Trained {done} of {of} candidates"
    return Step(stage="training candidates", fraction=TRAINED * done / of, message=message, partial=candidate)


def write(made: SklearnScorer, rows: pd.DataFrame, target: Path, allowed: Collection[str] = ()) -> None:
    """Write a model as a skops file that our own reader opens and that gives the same scores.

    Raises:
        InvalidInput: it cannot be written, or what is read back is another model.
    """
    try:
        skops.io.dump(made.estimator, target)
    except (MemoryError, OSError):
        raise
    except Exception as error:  # noqa: BLE001  # estimators may hold anything
        raise InvalidInput(
            f"the new model cannot be written as a skops file ({type(error).__name__})"
        ) from None
    again = skops_file.opened(target, None if made.named else list(made.columns), allowed)
    same = (again.signature.names, again.signature.classes) == (made.signature.names, made.signature.classes)
    if not same or np.abs(again.scores(rows) - made.scores(rows)).max() > SAME:
        raise InvalidInput("the new model does not answer alike when it is read back from its file")
