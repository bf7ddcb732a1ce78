"""A fitted scikit-learn estimator as a Scorer: what it takes, and what it says of rows."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, is_classifier, is_clusterer, is_outlier_detector, is_regressor
from sklearn.pipeline import Pipeline

from engine.errors import InvalidInput
from engine.models.scorer import Inside
from engine.models.signature import Feature, FeatureType, ModelFormat, Signature, Task
from engine.models.sklearn_columns import TEXTS, Seen, chain, is_missing, look
from engine.models.tree_scorer import category_text
from engine.models.values import spellings
from engine.values import Count

Numbers = NDArray[np.float64]
MOST_FEATURES = 100_000
_LARGEST = float(np.finfo(np.float32).max)
SUM_ERROR = 1e-6
TRIED_ROWS = 8


@dataclass
class SklearnScorer:
    """Scorer of an estimator that is already sound."""

    signature: Signature
    estimator: Any
    columns: Sequence[str]
    """All that the estimator was trained on, in order; `places` of them are looked at."""
    places: Sequence[int]
    named: bool
    """Whether the estimator knows its columns by name."""
    seen: Seen
    find_inside: "Callable[[SklearnScorer], Inside | None]"
    positive: bool = False
    """Whether it is tried on positive numbers: it takes a logarithm, or the like."""
    _found: list[Inside | None] = field(default_factory=list)

    def scores(self, rows: pd.DataFrame) -> Numbers:
        made = self.frame(rows)
        try:
            return self.answers(made)
        except InvalidInput:
            raise
        except Exception as error:  # noqa: BLE001  # whatever scikit-learn raises, it is about these rows
            raise self.blamed(made, error) from None

    def inside(self) -> Inside | None:
        if not self._found:
            try:
                self._found.append(self.find_inside(self))
            except Exception:  # noqa: BLE001  # it scores, though it is not built as its type would have it
                self._found.append(None)
        return self._found[0]

    def frame(self, rows: pd.DataFrame) -> pd.DataFrame:
        """The columns in the order and the types of training; those that no transformer looks at are empty."""
        made: dict[str, Any] = dict.fromkeys(self.columns, np.full(len(rows), np.nan))
        for place, feature in zip(self.places, self.signature.features, strict=True):
            if feature.name not in rows.columns:
                raise InvalidInput(f"the model needs a column {feature.name!r}", at=(feature.name,))
            given = rows[feature.name]
            if place in self.seen.categories:
                made[feature.name] = self._categories(place, feature, given)
            elif feature.type is FeatureType.NUMBER:
                made[feature.name] = _floats(feature, given)
            else:
                made[feature.name] = given.to_numpy()
        index = pd.RangeIndex(len(rows))
        return pd.DataFrame(
            {name: pd.Series(values, index=index, dtype=values.dtype) for name, values in made.items()},
            index=index,
            columns=list(self.columns),
        )

    def taken(self, made: pd.DataFrame) -> Any:
        """As the estimator takes them: with names only if it was trained with names, which it warns of otherwise."""
        return made if self.named else made.to_numpy()

    def answers(self, made: pd.DataFrame) -> Numbers:
        """Scores of rows in the form of `frame`."""
        with quiet():
            return _answers(self.estimator, self.taken(made), self.signature)

    def plain(self, rows: int, seed: int) -> pd.DataFrame:
        """Rows such as the model may meet, to try it on: categories it has seen, and numbers around 0."""
        rng = np.random.default_rng(seed)
        made: dict[str, Any] = {}
        for place, feature in zip(self.places, self.signature.features, strict=True):
            known = [value for value in self.seen.categories.get(place, ()) if not is_missing(value)]
            if known:
                drawn = rng.integers(0, len(known), rows)
                values = [known[i] for i in drawn]
                texts = not isinstance(known[0], int | float | np.number | np.bool_)
                made[feature.name] = pd.Series(values, dtype=object if texts else float)
            elif place in self.seen.texts:
                made[feature.name] = pd.Series(["some words"] * rows, dtype=object)
            else:
                drawn = np.round(rng.normal(size=rows) * 3, 3)
                made[feature.name] = pd.Series(np.abs(drawn) + 0.5 if self.positive else drawn)
        return pd.DataFrame(made, index=pd.RangeIndex(rows), columns=list(made))

    def _categories(self, place: int, feature: Feature, given: pd.Series) -> NDArray[Any]:
        """Each value as the category that it stands for: 1 for a column that had "1" in training, or the reverse."""
        known = self.seen.categories[place]
        missing = next((value for value in known if is_missing(value)), np.nan)
        meant = {category_text(value): value for value in known if not is_missing(value)}
        meant |= {text: meant[category] for text, category in spellings(feature.categories).items()}
        codes, uniques = pd.factorize(given.to_numpy())
        numeric = all(isinstance(value, int | float | np.number) for value in meant.values())
        values = np.empty(len(uniques) + 1, dtype=object)
        values[-1] = missing  # the code of what is missing is -1
        for i, value in enumerate(uniques):
            values[i] = meant.get(category_text(value), value)
            if place in self.seen.closed and category_text(value) not in meant:
                few = feature.categories[:10]
                known_ones = ", ".join(few) + (", ..." if len(feature.categories) > len(few) else "")
                raise InvalidInput(
                    f"the model has not seen {str(value)!r} in the column {feature.name!r}; it knows {known_ones}",
                    at=(feature.name,),
                )
        if numeric and not any(isinstance(value, str) or value is None for value in values):
            return values.astype(float)[codes]
        return np.asarray(values[codes])

    def blamed(self, made: pd.DataFrame, error: Exception) -> InvalidInput:
        """Which column it was: its odd values are put into a row that the model takes, one after the other."""
        good = self.frame(self.plain(1, seed=0))
        for feature in self.signature.features:
            values = made[feature.name]
            tries = [("a missing value", values.isna())]
            if values.dtype.kind == "f":
                tries.append(("a number that is too large", values.abs() > _LARGEST))
            for said, odd in tries:
                if odd.any():
                    tried = good.copy()
                    tried[feature.name] = values[odd].iloc[:1].to_numpy()
                    try:
                        self.answers(tried)
                    except Exception:  # noqa: BLE001  # as in `scores`
                        row = int(np.flatnonzero(odd)[0])
                        return InvalidInput(
                            f"the column {feature.name!r} has {said} in row {row}, which the model does not take",
                            at=(feature.name,),
                        )
        return InvalidInput(f"the model does not take these rows: {str(error).strip().splitlines()[:1]}")


def scorer(
    estimator: Any,
    names: Sequence[str] | None,
    version: str | None,
    notes: Sequence[str],
    find_inside: Callable[[SklearnScorer], Inside | None],
) -> SklearnScorer:
    """The estimator as a scorer, once it has answered for two rows.

    Raises:
        InvalidInput: it is no classifier or regressor of one output, or does not say how many columns it takes.
    """
    task, classes = _task(estimator)
    notes = list(notes)
    columns, named = _columns(estimator, names, notes)
    seen = Seen()
    last = look(estimator, len(columns), seen)
    used = seen.used if last is not None or seen.used else set(range(len(columns)))
    places = sorted(used)
    if not hasattr(chain(estimator)[1], "predict_proba") and task is not Task.REGRESSION:
        notes.append("The model gives no probabilities: each row's class has probability 1.")
    features = tuple(_feature(columns[place], place, seen) for place in places)
    trees = _trees(chain(estimator)[1])
    signature = Signature(
        format=ModelFormat.SKOPS,
        framework="scikit-learn",
        framework_version=version,
        kind=_kind(estimator),
        task=task,
        features=features,
        classes=classes,
        trees=None if trees is None else Count(trees),
        notes=tuple(notes),
    )
    made = SklearnScorer(signature, estimator, columns, places, named, seen, find_inside)
    _try(made)
    return made


def _try(made: SklearnScorer) -> None:
    """Have it answer for some rows, of positive numbers only where it fails otherwise."""
    for positive in (False, True):
        made.positive = positive
        try:
            made.answers(made.frame(made.plain(TRIED_ROWS, seed=0)))
        except Exception as error:  # noqa: BLE001  # whatever scikit-learn raises: the model does not work
            if positive:
                said = str(error).strip().splitlines()
                why = said[0][:200] if said else type(error).__name__
                raise InvalidInput(f"the model cannot predict: {why}") from None
        else:
            return


@contextmanager
def quiet() -> Iterator[None]:
    """Without the warnings of those who predict, such as the advice to training that some give then."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield


def _answers(estimator: Any, taken: Any, signature: Signature) -> Numbers:
    rows, classes = len(taken), len(signature.classes)
    if signature.task is Task.REGRESSION:
        made = np.asarray(estimator.predict(taken), dtype=float)
        if made.shape not in ((rows,), (rows, 1)):
            raise InvalidInput("the model predicts several values for a row; one is needed")
        if not np.isfinite(made).all():
            raise InvalidInput("the model predicts what is no number for some of the rows")
        return made.reshape(rows, 1)
    if not hasattr(estimator, "predict_proba"):
        return _votes(estimator.predict(taken), signature.classes)
    made = np.asarray(estimator.predict_proba(taken), dtype=float)
    if made.shape != (rows, classes):
        raise InvalidInput("the model gives several probabilities for a class; it has several outputs")
    if not (np.abs(made.sum(axis=1) - 1) < SUM_ERROR).all() or (made < -SUM_ERROR).any():
        raise InvalidInput(
            "the probabilities of the model do not sum to 1; it may come from a version of scikit-learn that "
            "kept them in another way, so train it anew"
        )
    return made


def _votes(predicted: Any, classes: Sequence[str]) -> Numbers:
    place = {text: i for i, text in enumerate(classes)}
    made = np.zeros((len(predicted), len(classes)))
    made[
        np.arange(len(predicted)), [place[category_text(value)] for value in np.asarray(predicted).tolist()]
    ] = 1.0
    return made


def _task(estimator: Any) -> tuple[Task, tuple[str, ...]]:
    what = type(estimator).__name__
    if not isinstance(estimator, BaseEstimator):
        raise InvalidInput(
            f"the file holds a {what}; a classifier, a regressor or a pipeline that ends in one is needed"
        )
    if is_classifier(estimator):
        classes = getattr(estimator, "classes_", None)
        if isinstance(classes, list):
            raise InvalidInput(f"{what} predicts several columns; a model with one answer is needed")
        if not isinstance(classes, np.ndarray) or classes.ndim != 1 or len(classes) < 2:
            raise InvalidInput(f"{what} knows no two classes, so it is not fitted or has nothing to decide")
        texts = tuple(category_text(value) for value in classes.tolist())
        if len(set(texts)) < len(texts):
            raise InvalidInput(f"{what} has two classes of the same name")
        return (Task.BINARY if len(texts) == 2 else Task.MULTICLASS), texts
    if is_regressor(estimator):
        return Task.REGRESSION, ()
    kind = (
        "groups rows"
        if is_clusterer(estimator)
        else "finds outliers"
        if is_outlier_detector(estimator)
        else None
    )
    said = f"{what} {kind}" if kind else f"{what} predicts nothing by itself"
    raise InvalidInput(f"{said}; a classifier or a regressor is needed, or a pipeline that ends in one")


def _columns(estimator: Any, names: Sequence[str] | None, notes: list[str]) -> tuple[list[str], bool]:
    if isinstance((*chain(estimator)[0], None)[0], TEXTS):
        raise InvalidInput(
            "the model takes one text and no columns; put what reads it into a ColumnTransformer"
        )
    own = _first(estimator, "feature_names_in_")
    count = _first(estimator, "n_features_in_")
    if own is not None:
        found = [str(name) for name in own]
    elif isinstance(count, int | np.integer) and 0 < count <= MOST_FEATURES:
        given = bool(names) and len(names or ()) == count
        found = list(names or ()) if given else [f"x{i}" for i in range(int(count))]
        called = "those given are used" if given else f"its {count} columns are called x0, x1, ... here"
        notes.append(f"The file carries no names of its columns, as it was trained on an array; {called}.")
    else:
        raise InvalidInput("the model does not say how many columns it takes; it may not be fitted")
    if len(set(found)) < len(found) or len(found) > MOST_FEATURES:
        raise InvalidInput("the model has two columns of the same name, or more columns than can be")
    return found, own is not None


def _first(estimator: Any, name: str) -> Any:
    """An attribute of the first step that has it."""
    steps = [step for _, step in estimator.steps] if isinstance(estimator, Pipeline) else []
    return next(
        (found for part in (estimator, *steps) if (found := getattr(part, name, None)) is not None), None
    )


def _feature(name: str, place: int, seen: Seen) -> Feature:
    if place in seen.categories:
        known = tuple(category_text(value) for value in seen.categories[place] if not is_missing(value))
        return Feature(name=name, type=FeatureType.CATEGORY, categories=known, closed=place in seen.closed)
    number = place in seen.numbers
    return Feature(name=name, type=FeatureType.NUMBER if number else FeatureType.ANY)


def _floats(feature: Feature, given: pd.Series) -> Numbers:
    try:
        return given.to_numpy(dtype=float, na_value=np.nan)
    except (ValueError, TypeError):
        numbers = pd.to_numeric(given, errors="coerce")
    odd = given[numbers.isna() & given.notna()]
    if len(odd):
        raise InvalidInput(
            f"the column {feature.name!r} holds {str(odd.iloc[0])!r}, and the model needs numbers there",
            at=(feature.name,),
        )
    return numbers.to_numpy(dtype=float)


def _kind(estimator: Any) -> str:
    if not isinstance(estimator, Pipeline):
        return type(estimator).__name__
    return "Pipeline: " + ", ".join(
        step if isinstance(step, str) else type(step).__name__
        for _, step in estimator.steps
        if step is not None
    )


def _trees(model: Any) -> int | None:
    if hasattr(model, "_predictors"):
        return sum(len(stage) for stage in model._predictors)
    trees = getattr(model, "estimators_", None)
    if trees is not None and all(
        hasattr(tree, "tree_") for tree in np.ravel(np.asarray(trees, dtype=object))
    ):
        return int(np.size(np.asarray(trees, dtype=object)))
    return 1 if hasattr(model, "tree_") else None
