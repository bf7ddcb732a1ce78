"""ONNX models, run by onnxruntime after their graph was checked: what they take, what they say, and their structure."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from onnx import TensorProto, helper

from engine.errors import InvalidInput
from engine.models import onnx_inside, onnx_signature
from engine.models.onnx_columns import Traced, trace
from engine.models.onnx_graph import Graph, parsed
from engine.models.onnx_session import Session
from engine.models.onnx_signature import Given, Taken
from engine.models.scorer import Inside, Numbers
from engine.models.signature import Feature, FeatureType, ModelFormat, Signature, Task
from engine.models.tree_scorer import category_text, numbers, renamed
from engine.models.values import spellings
from engine.tables.names import no_column, short
from engine.values import Count

SUM_ERROR = 1e-3
"""How far probabilities in float32 may be from summing to 1; they are then made to."""
TRIED_ROWS = 8
LARGEST = float(np.finfo(np.float32).max)
MISSING = ("nan", "None", "")
"""How files write a text that is missing: as the encoder knows it, and without one as nothing."""
NO_PROBABILITIES = "The model gives no probabilities: each row's class has probability 1."


def opened(path: Path, names: Sequence[str] = ()) -> "OnnxScorer":
    """A model as a scorer; `names` of its features are taken where the file has none.

    Raises:
        InvalidInput: the file is damaged, or holds what is not read; says what.
    """
    return read(path.read_bytes(), names)


def read(content: bytes, names: Sequence[str] = ()) -> "OnnxScorer":
    """The same, of bytes."""
    try:
        return _read(parsed(content), names)
    except (InvalidInput, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001  # of what a damaged file may hold in the wrong place, there is no end
        raise InvalidInput(f"the ONNX file is damaged ({type(error).__name__}); export it again") from None


def _read(graph: Graph, names: Sequence[str]) -> "OnnxScorer":
    given = onnx_signature.given(graph)
    inputs, columns, named = onnx_signature.taken(graph, names)
    traced = trace(graph, {one.name: one.places for one in inputs})
    part, needed = graph.cut([name for name in (given.scores, given.labels) if name])
    inputs = [one for one in inputs if one.name in needed]
    places = [place for one in inputs for place in one.places.ravel().tolist()]
    kinds = {place: one.type for one in inputs for place in one.places.ravel().tolist()}
    features = tuple(
        _feature(columns[place], kinds[place], traced.categories.get(place), place in traced.closed)
        for place in places
    )
    opsets = {entry.domain or "ai.onnx": entry.version for entry in graph.model.opset_import}
    versions = " and ".join(f"{domain} {version}" for domain, version in sorted(opsets.items()))
    signature = Signature(
        format=ModelFormat.ONNX,
        framework=graph.model.producer_name[:100] or "ONNX",
        framework_version=graph.model.producer_version[:100] or None,
        kind=onnx_signature.kind(graph),
        task=Task.REGRESSION,
        features=features,
        classes=(),
        named=named,
        notes=(
            f"Written for the operators of {versions}.",
            *(
                ()
                if named
                else (
                    "The file does not carry the names of the features: they are x0, x1, ... in their order.",
                )
            ),
        ),
    )
    scorer = OnnxScorer(
        signature=renamed(signature, names),
        inputs=inputs,
        places=places,
        traced=traced,
        session=Session(part),
        given=given,
    )
    scorer.look()
    scorer.look_inside(graph)
    return scorer


def _task(given: Given, scores: NDArray[Any] | None) -> tuple[Task, tuple[str, ...], tuple[str, ...]]:
    """What kind of answer some first answers are: with the names of classes, and notes.

    Raises:
        InvalidInput: they are none that is known.
    """
    values = None if scores is None else np.asarray(scores, np.float64).reshape(len(scores), -1)
    if values is not None and not given.decides and not given.likely and values.shape[1] == 1:
        return Task.REGRESSION, (), ()
    if values is not None and _are_probabilities(values):
        count = max(values.shape[1], 2)
        named = next((classes for classes in given.classes if len(classes) == count), None)
        classes = named or tuple(str(place) for place in range(count))
        return (
            Task.BINARY if count == 2 else Task.MULTICLASS,
            classes,
            () if named else ("The file does not carry the names of the classes: they are numbered from 0.",),
        )
    if given.labels is None or not given.classes:
        raise InvalidInput(
            "the ONNX model gives neither one value, nor probabilities that sum to 1, nor a class of those it names"
        )
    classes = given.classes[0]
    return Task.BINARY if len(classes) == 2 else Task.MULTICLASS, classes, (NO_PROBABILITIES,)


def _are_probabilities(values: Numbers) -> bool:
    sums = (
        np.abs(values.sum(axis=1) - 1) <= SUM_ERROR if values.shape[1] > 1 else values[:, 0] <= 1 + SUM_ERROR
    )
    return bool(values.shape[1] and sums.all() and (values >= -SUM_ERROR).all())


def _feature(name: str, kind: int, categories: tuple[Any, ...] | None, closed: bool) -> Feature:
    if categories is None and kind != TensorProto.STRING:
        return Feature(name=name, type=FeatureType.NUMBER)
    texts = tuple(str(value) for value in categories or () if str(value) not in MISSING)
    return Feature(name=name, type=FeatureType.CATEGORY, categories=texts, closed=closed and bool(texts))


@dataclass(kw_only=True)
class OnnxScorer:
    """Scorer of a graph that is checked."""

    signature: Signature
    inputs: Sequence[Taken]
    places: Sequence[int]
    """Of the features, among all columns of the file."""
    traced: Traced
    session: Session
    given: Given
    votes: bool = False
    """Whether it gives classes and no probabilities."""
    positive: bool = False
    """Whether it is tried on positive numbers: it takes a logarithm, or the like."""
    _inside: list[Inside] = field(default_factory=list)

    def look(self) -> None:
        """Have it answer for some rows, of positive numbers only where it fails otherwise, and see what it says."""
        for positive in (False, True):
            try:
                rows = self.plain(TRIED_ROWS, seed=0, positive=positive)
                found = self.session.run(self.feeds(rows), TRIED_ROWS)
                first = found[0] if self.given.scores else None
                if first is not None and not np.isfinite(first).all():
                    raise InvalidInput("it predicts what is no number")
            except InvalidInput as error:
                if positive:
                    raise InvalidInput(f"the ONNX model cannot predict: {error}") from None
                continue
            task, classes, notes = _task(self.given, first)
            self.votes = NO_PROBABILITIES in notes
            self.positive = positive
            self.signature = replace(
                self.signature, task=task, classes=classes, notes=(*self.signature.notes, *notes)
            )
            self._answers(rows)
            return

    def look_inside(self, graph: Graph) -> None:
        """See whether its structure is known, and note why not."""
        try:
            if self.votes or self.given.scores is None:
                raise onnx_inside.Unknown("it gives no probabilities")
            asked = onnx_inside.Asked(
                graph=graph,
                traced=replace(self.traced, places=self._by_feature()),
                scores=self.given.scores,
                task=self.signature.task,
                classes=len(self.signature.classes),
                feeds=self.feeds,
                read=self.read,
            )
            found, trees = onnx_inside.inside(asked, self.plain(TRIED_ROWS, seed=1, positive=self.positive))
        except onnx_inside.Unknown as reason:
            note = f"How the model decides is not known, because {reason}: it is explained as a black box."
            self.signature = replace(self.signature, notes=(*self.signature.notes, note))
            return
        self._inside = [found]
        self.signature = replace(self.signature, trees=None if trees is None else Count(trees))

    def _by_feature(self) -> dict[str, NDArray[np.intp]]:
        """Places of features instead of columns of the file: inputs that nothing takes are no features."""
        place = np.full(max(self.places) + 1, -1, np.intp)
        place[list(self.places)] = np.arange(len(self.places))
        return {
            name: place[found]
            for name, found in self.traced.places.items()
            if np.isin(found, self.places).all()
        }

    def plain(self, rows: int, seed: int, *, positive: bool) -> pd.DataFrame:
        """Rows such as the model may meet, to try it on: categories it knows, and numbers around 0."""
        rng = np.random.default_rng(seed)
        kinds = {place: one.type for one in self.inputs for place in one.places.ravel().tolist()}
        made: dict[str, Any] = {}
        for place, feature in zip(self.places, self.signature.features, strict=True):
            drawn = np.abs(rng.normal(size=rows) * 3) + 0.5 if positive else rng.normal(size=rows) * 3
            if feature.categories:
                known = rng.integers(0, len(feature.categories), rows)
                made[feature.name] = [feature.categories[i] for i in known]
            elif kinds[place] == TensorProto.STRING:
                made[feature.name] = ["some words"] * rows
            elif kinds[place] == TensorProto.BOOL:
                made[feature.name] = rng.integers(0, 2, rows)
            else:
                made[feature.name] = np.round(drawn, 3 if kinds[place] in onnx_signature.FLOATS else 0)
        frame = {
            name: pd.Series(values, dtype=object if isinstance(values, list) else None)
            for name, values in made.items()
        }
        return pd.DataFrame(frame, index=pd.RangeIndex(rows), columns=list(made))

    def scores(self, rows: pd.DataFrame) -> Numbers:
        made = self._answers(rows)
        odd = ~np.isfinite(made).all(axis=1)
        if odd.any():
            raise self._blamed(rows, int(odd.argmax()))
        return made

    def inside(self) -> Inside | None:
        return self._inside[0] if self._inside else None

    def feeds(self, rows: pd.DataFrame) -> dict[str, NDArray[Any]]:
        """The inputs of the graph, as onnxruntime takes them.

        Raises:
            InvalidInput: a column is missing or holds what the model cannot read; says which and why.
        """
        of = dict(zip(self.places, self.signature.features, strict=True))
        made = {}
        for one in self.inputs:
            columns = []
            for place in one.places.ravel().tolist():
                feature = of[place]
                if feature.name not in rows.columns:
                    raise no_column(feature.name, [str(name) for name in rows.columns], ())
                columns.append(self._column(place, feature, one.type, rows[feature.name]))
            whole = (
                np.column_stack(columns) if one.type != TensorProto.STRING else np.array(columns, object).T
            )
            made[one.name] = whole.reshape(len(rows), *one.places.shape)
        return made

    def _column(self, place: int, feature: Feature, kind: int, given: "pd.Series[Any]") -> NDArray[Any]:
        known = self.traced.categories.get(place)
        if kind == TensorProto.STRING:
            codes, uniques = pd.factorize(given.to_numpy(object))
            texts = [category_text(value) for value in uniques]
            truths = spellings(feature.categories)
            texts = [truths.get(text, text) for text in texts]
            missing = next((text for text in MISSING if text in (known or ())), "")
            if known is not None and place in self.traced.closed:
                self._refuse_unseen(feature, known, [*texts, missing] if (codes < 0).any() else texts)
            return np.array([*texts, missing], object)[codes]
        values = numbers(feature, given)
        if known is not None and place in self.traced.closed:
            self._refuse_unseen(feature, known, np.unique(values).tolist())
        type_ = helper.tensor_dtype_to_np_dtype(kind)
        if type_.kind == "f":
            with np.errstate(over="ignore"):  # beyond float32 is infinite
                return values.astype(type_)
        low, high = (
            (0, 1) if type_.kind == "b" else (-(2.0**31), 2.0**31 - 1 if type_.itemsize == 4 else 2.0**53)
        )
        odd = ~((values >= low) & (values <= high) & (values == np.floor(values)))
        if odd.any():
            row = int(odd.argmax())
            held = "a missing value" if np.isnan(values[row]) else f"{values[row]:g}"
            raise InvalidInput(
                f"column {short(feature.name)} has {held} in row {row}; the model takes "
                f"{'0 and 1' if type_.kind == 'b' else 'whole numbers'} alone there",
                at=(feature.name,),
            )
        return values.astype(type_)

    def _refuse_unseen(self, feature: Feature, known: Sequence[Any], values: Sequence[Any]) -> None:
        for value in values:
            if value not in known:
                held = (
                    "a missing value"
                    if value in ("", "nan") or value != value
                    else short(category_text(value))
                )
                raise InvalidInput(
                    f"column {short(feature.name)} holds {held}, which the model has not seen; it knows "
                    f"{', '.join(short(text) for text in feature.categories[:10])}",
                    at=(feature.name,),
                )

    def _answers(self, rows: pd.DataFrame) -> Numbers:
        found = self.session.run(self.feeds(rows), len(rows))
        if self.votes:
            return self._voted(found[-1])
        return self.read(found[0])

    def read(self, found: NDArray[Any]) -> Numbers:
        """The tensor of scores in the form of `Scorer.scores`; not finite where the model gives what is no score."""
        values = np.asarray(found, np.float64)
        values = values.reshape(len(values), -1)
        if self.signature.task is Task.REGRESSION:
            if values.shape[1] != 1:
                raise InvalidInput("the model predicts several values for a row; one is needed")
            return values
        if values.shape[1] == 1:
            values = np.hstack([1 - values, values])
        if values.shape[1] != len(self.signature.classes):
            raise InvalidInput("the model gives another number of probabilities than it has classes")
        whole = values.sum(axis=1, keepdims=True)
        with np.errstate(invalid="ignore"):
            if (np.abs(whole - 1) > SUM_ERROR).any() or (values < -SUM_ERROR).any():
                raise InvalidInput("the probabilities of the model do not sum to 1 for some of the rows")
        clipped = values.clip(0)
        return np.asarray(clipped / clipped.sum(axis=1, keepdims=True))

    def _voted(self, labels: NDArray[Any]) -> Numbers:
        place = {text: i for i, text in enumerate(self.signature.classes)}
        texts = [category_text(label) for label in labels.ravel().tolist()]
        odd = next((text for text in texts if text not in place), None)
        if odd is not None or len(texts) != len(labels):
            raise InvalidInput(f"the model answers {short(str(odd))}, which is none of its classes")
        made = np.zeros((len(texts), len(place)))
        made[np.arange(len(texts)), [place[text] for text in texts]] = 1.0
        return made

    def _blamed(self, rows: pd.DataFrame, row: int) -> InvalidInput:
        """Which column made an answer that is no number, as far as that is to be seen."""
        for feature in self.signature.features:
            value = rows[feature.name].iloc[row]
            said = "a missing value" if pd.isna(value) else None
            if isinstance(value, int | float | np.number) and abs(float(value)) > LARGEST:
                said = "a number that is too large"
            if said is not None:
                return InvalidInput(
                    f"column {short(feature.name)} has {said} in row {row}, which the model does not take",
                    at=(feature.name,),
                )
        return InvalidInput(f"the model predicts what is no number for row {row}")
