"""Points around any row, as LIME draws them: bins by their frequency in the background, values within the bins.

Which points are drawn does not depend on the row explained, so they are drawn and scored once for all rows.
Source: M. T. Ribeiro, S. Singh and C. Guestrin, KDD 2016, in the form of the package `lime` with its quartile bins.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api.types import is_numeric_dtype
from scipy.special import ndtr, ndtri

from engine.explanations.answers import measured, text, text_of_truth
from engine.models.scorer import Numbers
from engine.models.signature import FeatureType, Signature

QUARTILES = (25, 50, 75)
MISSING = -1
"""Bin of rows without a value."""
NARROWEST = 1e-11
"""Added to the spread within a bin, as `lime` does."""

Bins = NDArray[np.int32]


@dataclass(frozen=True, kw_only=True)
class Quartiles:
    """A number, told apart by the quarter of the background that it falls into."""

    name: str
    edges: Numbers
    least: Numbers
    most: Numbers
    means: Numbers
    spreads: Numbers

    @classmethod
    def of(cls, column: "pd.Series[Any]") -> "Quartiles":
        present = measured(column)
        if not len(present):
            present = np.zeros(1)  # of no number, nothing is ever drawn but what is missing
        edges = np.unique(np.percentile(present, QUARTILES))
        bins = np.searchsorted(edges, present)
        rows = np.maximum(np.bincount(bins, minlength=len(edges) + 1), 1)
        means = np.bincount(bins, present, len(rows)) / rows
        squares = np.bincount(bins, (present - means[bins]) ** 2, len(rows)) / rows
        return cls(
            name=str(column.name),
            edges=edges,
            least=np.concatenate([[present.min()], edges]),
            most=np.concatenate([edges, [present.max()]]),
            means=means,
            spreads=np.sqrt(squares) + NARROWEST,
        )

    def bins(self, column: "pd.Series[Any]") -> Bins:
        """The quarter of each value."""
        values = column.to_numpy(dtype=float)
        return np.where(np.isnan(values), MISSING, np.searchsorted(self.edges, values)).astype(np.int32)

    def drawn(self, bins: Bins, generator: np.random.Generator) -> NDArray[Any]:
        """A value in each bin, from the normal of the bin cut at its ends."""
        low = (self.least - self.means) / self.spreads
        high = (self.most - self.means) / self.spreads
        upper = low > 0  # in the upper tail the probabilities round to 1: mirror it
        low, high = np.where(upper, -high, low), np.where(upper, -low, high)
        first, width = ndtr(low), ndtr(high) - ndtr(low)
        spreads = np.where(upper, -self.spreads, self.spreads)
        at = np.maximum(bins, 0)
        z = ndtri(first[at] + generator.random(len(bins)) * width[at])  # beyond its bin at most by rounding
        values = np.clip(self.means[at] + z * spreads[at], self.least[at], self.most[at])
        return np.where(bins == MISSING, np.nan, values)

    def condition(self, bin: int) -> str:
        """The bin in words."""
        if bin == MISSING:
            return f"{self.name} is missing"
        if bin == 0:
            return f"{self.name} <= {text(self.edges[0])}"
        if bin == len(self.edges):
            return f"{self.name} > {text(self.edges[-1])}"
        return f"{text(self.edges[bin - 1])} < {self.name} <= {text(self.edges[bin])}"


@dataclass(frozen=True, kw_only=True)
class Categories:
    """A text or code, told apart by its value."""

    name: str
    values: NDArray[Any]
    truths: bool = False
    """Whether these are truth values, held as 0 and 1."""

    @classmethod
    def of(cls, column: "pd.Series[Any]", truths: bool = False) -> "Categories":
        return cls(name=str(column.name), values=column.dropna().unique(), truths=truths)

    def bins(self, column: "pd.Series[Any]") -> Bins:
        """The place of each value; one that the background does not have has a bin of its own."""
        found = pd.Index(self.values).get_indexer(column)
        unseen = (found < 0) & column.notna().to_numpy()
        return np.where(unseen, len(self.values), found).astype(np.int32)

    def drawn(self, bins: Bins, generator: np.random.Generator) -> NDArray[Any]:
        """The values themselves."""
        if is_numeric_dtype(self.values):
            values = np.append(self.values.astype(float), np.nan)
        else:
            values = np.append(self.values.astype(object), [None])
        return np.asarray(values[bins])

    def condition(self, bin: int) -> str:
        """The value in words."""
        if bin == MISSING:
            return f"{self.name} is missing"
        if bin == len(self.values):
            return f"{self.name} = a value the background does not have"
        return f"{self.name} = {(text_of_truth if self.truths else text)(self.values[bin])}"


@dataclass(frozen=True, kw_only=True)
class Neighbourhood:
    """Points drawn once for all rows."""

    bins: Bins
    """(points, features)"""
    points: pd.DataFrame


def readings(
    signature: Signature, background: pd.DataFrame, truths: frozenset[str] = frozenset()
) -> list[Quartiles | Categories]:
    """How each feature is told apart: numbers by quartile, everything else by value, truth values too."""
    return [
        Categories.of(background[each.name], each.name in truths)
        if each.name in truths
        or each.type is FeatureType.CATEGORY
        or not is_numeric_dtype(background[each.name])
        else Quartiles.of(background[each.name])
        for each in signature.features
    ]


def often(read: list[Quartiles | Categories], background: pd.DataFrame) -> list[tuple[Bins, Numbers]]:
    """Of each feature the bins that the background has, and the share of its rows in each."""
    found = []
    for each in read:
        seen, rows = np.unique(each.bins(background[each.name]), return_counts=True)
        found.append((seen, rows / rows.sum()))
    return found


def drawn(
    read: list[Quartiles | Categories],
    shares: list[tuple[Bins, Numbers]],
    points: int,
    generator: np.random.Generator,
) -> Neighbourhood:
    """Draw points: each feature by itself, bins as often as the background has them (`often`)."""
    bins = np.empty((points, len(read)), dtype=np.int32)
    columns = {}
    for j, (each, (seen, share)) in enumerate(zip(read, shares, strict=True)):
        bins[:, j] = generator.choice(seen, size=points, p=share)
        columns[each.name] = each.drawn(bins[:, j], generator)
    return Neighbourhood(bins=bins, points=pd.DataFrame(columns))
