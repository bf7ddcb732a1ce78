"""The job behind a Prediction: a few rows that are given by their values, answered."""

import db.tables as t
from engine.models.prediction import GivenRow, Predicted, noted
from engine.models.rows import given
from engine.models.scoring import answers
from engine.values import Tell
from jobs.attempt import Attempt
from jobs.models import Openable, kept_in, model_file
from jobs.work import Workshop


async def run(attempt: Attempt, workshop: Workshop) -> None:
    """Score the rows, and complete the prediction."""
    prediction: t.Prediction = attempt.row
    rows = await attempt.large(t.Prediction, "rows")
    async with model_file(attempt, workshop, prediction.model_id) as file:
        found = await kept_in(attempt, workshop, answer, file, rows)
    await attempt.complete(f"Answered {len(found):,} rows", answers=found)


def answer(tell: Tell, file: Openable, rows: tuple[GivenRow, ...]) -> tuple[Predicted, ...]:
    scorer = file.open()
    frame = given([row.by_feature() for row in rows], scorer.signature)
    return noted(answers(scorer.scores(frame), scorer.signature), rows, scorer.signature)
