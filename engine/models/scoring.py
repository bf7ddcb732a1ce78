"""A whole dataset scored: numbers by the model, and the dataset again with what they mean added as columns.

Two steps, for two processes: the one that opens the model writes nothing but numbers, and the one that writes the
table never opens the model.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from engine.errors import InvalidInput
from engine.models.prediction import ClassScore, Predicted, Scoring, added
from engine.models.rows import BATCH_ROWS, batches, count
from engine.models.scorer import Scorer
from engine.models.signature import Signature, Task
from engine.models.values import is_code
from engine.tables.names import short
from engine.tables.opening import in_words, opened
from engine.tables.part import Part
from engine.values import Count, Step, Tell, silent

Numbers = NDArray[np.float64]


def score(scorer: Scorer, parts: Sequence[Part], target: Path, tell: Tell = silent) -> Count:
    """Score all rows, and write the numbers, row by row, as they lie in memory.

    Returns:
        How many rows were scored.

    Raises:
        InvalidInput: a column is missing or holds what the model cannot read.
    """
    total, done = count(parts), 0
    with target.open("wb") as file:
        for rows in batches(parts, scorer.signature.names):
            scores = np.ascontiguousarray(scorer.scores(rows), np.float64)
            if scores.shape != (len(rows), width(scorer.signature)):
                raise InvalidInput("the model does not give a score for each row and class")
            file.write(scores.tobytes())
            done += len(rows)
            message = f"Scored {done:,} of {total:,} rows"
            tell(Step(stage="scoring rows", fraction=done / max(1, total), message=message))
    return Count(done)


def width(signature: Signature) -> int:
    """Numbers that a row has."""
    return max(1, len(signature.classes))


def join(parts: Sequence[Part], scores: Path, signature: Signature, scoring: Scoring, target: Path) -> None:
    """Write all columns of a dataset, and the prediction and scores of each row, as one Parquet file.

    Raises:
        InvalidInput: a column of such a name is there already, or the numbers are not those of these rows.
    """
    wide = width(signature)
    if scores.stat().st_size != count(parts) * wide * 8:
        raise InvalidInput("the dataset changed while it was scored: score it again")
    names = added(signature, scoring)
    with ExitStack() as stack:
        numbers = stack.enter_context(scores.open("rb"))
        stack.enter_context(in_words(parts))
        writer: pq.ParquetWriter | None = None
        for table in _tables(parts):
            read = np.frombuffer(numbers.read(table.num_rows * wide * 8), np.float64).reshape(-1, wide)
            _refuse_taken(table.column_names, names)
            for name, values in zip(names, _values(read, signature, scoring), strict=True):
                table = table.append_column(name, values)
            if writer is None:
                writer = stack.enter_context(pq.ParquetWriter(target, table.schema, compression="zstd"))
            writer.write_table(table)


def answers(scores: Numbers, signature: Signature) -> tuple[Predicted, ...]:
    """What the scores of some rows mean; of two classes the second is predicted from 0.5 on."""
    if signature.task is Task.REGRESSION:
        return tuple(Predicted(prediction=f"{value:.17g}", value=value) for value in scores[:, 0].tolist())
    best = _best(scores, signature, 1, 0.5)
    return tuple(
        Predicted(
            prediction=signature.classes[place],
            scores=tuple(
                ClassScore(label=label, score=value)
                for label, value in zip(signature.classes, row, strict=True)
            ),
        )
        for place, row in zip(best.tolist(), scores.tolist(), strict=True)
    )


def _tables(parts: Sequence[Part]) -> Iterator[pa.Table]:
    for part in parts:
        with opened(part) as content, pq.ParquetFile(content) as file:
            for batch in file.iter_batches(BATCH_ROWS):
                yield pa.Table.from_batches([batch])


def _refuse_taken(names: Sequence[str], added: Sequence[str]) -> None:
    folded = {name.strip().casefold() for name in names}
    taken = next((name for name in added if name.strip().casefold() in folded), None)
    if taken is not None:
        raise InvalidInput(f"the dataset has a column {short(taken)} already; name the new ones otherwise")


def _values(scores: Numbers, signature: Signature, scoring: Scoring) -> Iterator[pa.Array]:
    """What is in the columns that are added, in their order."""
    if signature.task is Task.REGRESSION:
        yield pa.array(scores[:, 0], from_pandas=True)  # NaN is no value
        return
    labels = _labels(signature.classes)
    undefined = np.isnan(scores).any(axis=1)
    of = 1 if scoring.of_class is None else signature.classes.index(scoring.of_class)
    best = _best(np.nan_to_num(scores), signature, of, scoring.threshold)
    yield pa.array(labels[best], mask=undefined)
    several = signature.task is Task.MULTICLASS and scoring.of_class is None
    for place in range(len(added(signature, scoring)) - 1) if several else [of]:
        yield pa.array(scores[:, place], from_pandas=True)


def _best(scores: Numbers, signature: Signature, of: int, threshold: float) -> NDArray[np.intp]:
    if signature.task is Task.BINARY:
        return np.where(scores[:, of] >= threshold, of, 1 - of)
    return np.asarray(scores.argmax(axis=1), np.intp)


def _labels(classes: Sequence[str]) -> NDArray[Any]:
    """The classes as values of a column: numbers where all are whole ones, so that they equal the labels of a dataset."""
    whole = all(is_code(label) and "." not in label and "e" not in label for label in classes)
    return np.array([int(label) for label in classes]) if whole else np.array(classes, object)
