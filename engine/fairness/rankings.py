"""What is kept of lists of recommendations: sums over users, and of products of them, so that users can be redrawn.

Users are the sampling units: their rows belong together. Summaries of parts add up where all rows of a user are in
one part; items may be in several.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from engine.errors import InvalidInput
from engine.fairness.cube import Axis, Codes, Counts, Floats, ordered
from engine.fairness.tables import distinct

Hashes = npt.NDArray[np.uint64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Rankings:
    """Sums over the users with each combination of protected values; groups of items as an axis of their own."""

    axes: tuple[Axis, ...]
    """The protected attributes of users."""
    item_groups: Axis
    k: int
    """Places of a list that count."""
    codes: Codes
    """Shape (cells, attributes): index of each cell's value in the axis; no two alike."""
    users: Counts
    """Shape (cells,)."""
    gains: Floats
    """Shape (cells, 3): users with a relevant item, sums of their nDCG and of its square."""
    exposure: Floats
    """Shape (cells, item groups): sums over users."""
    products: Floats
    """Shape (cells, item groups, item groups): sums over users of products of two exposures."""
    relevance: Floats
    """Shape (item groups,): sum over all rows."""
    cross: Floats
    """Shape (2 item groups, 2 item groups): sums over users of products of exposures, relevances after them."""
    rows: Counts
    """Shape (item groups,): rows of each group of items."""
    items: Hashes
    """Shape (items, 2): group and hash of each item, in ascending order."""
    excluded: int
    """Rows without a user or an item."""
    unplaced: int
    """Rows without a rank or score: relevant at most, never shown."""
    notes: tuple[str, ...] = ()

    def __add__(self, other: "Rankings") -> "Rankings":
        """The summary of both sets of users together.

        Raises:
            InvalidInput: they are of different columns, or read them differently.
        """
        if _shape(self) != _shape(other):
            raise InvalidInput("these recommendations are of different columns, or read them differently")
        axes = tuple(
            replace(a, values=ordered({*a.values, *b.values}))
            for a, b in zip(self.axes, other.axes, strict=True)
        )
        groups = replace(
            self.item_groups, values=ordered({*self.item_groups.values, *other.item_groups.values})
        )
        one, two = (_spread(each, axes, groups) for each in (self, other))
        codes, cell = distinct(np.concatenate([one.codes, two.codes]))

        def summed(name: str) -> npt.NDArray[np.float64]:
            both = np.concatenate([getattr(one, name), getattr(two, name)])
            found = np.zeros((len(codes), *both.shape[1:]), dtype=both.dtype)
            np.add.at(found, cell, both)
            return found

        return replace(
            self,
            axes=axes,
            item_groups=groups,
            codes=codes,
            users=summed("users").astype(np.int64),
            gains=summed("gains"),
            exposure=summed("exposure"),
            products=summed("products"),
            relevance=one.relevance + two.relevance,
            cross=one.cross + two.cross,
            rows=one.rows + two.rows,
            items=unique_items(np.concatenate([one.items, two.items])),
            excluded=self.excluded + other.excluded,
            unplaced=self.unplaced + other.unplaced,
        )


def unique_items(items: Hashes) -> Hashes:
    """Group and hash of each item once, in ascending order."""
    items = items[np.lexsort(items.T[::-1])]
    found: Hashes = items[np.concatenate([[True], (items[1:] != items[:-1]).any(1)])]
    return found


def _shape(rankings: Rankings) -> tuple[object, ...]:
    return [axis.name for axis in rankings.axes], rankings.item_groups.name, rankings.k, rankings.notes


def _spread(rankings: Rankings, axes: Sequence[Axis], groups: Axis) -> Rankings:
    """The same with codes and groups of items in the order of other axes, which hold at least as many values."""
    at = np.array([groups.values.index(value) for value in rankings.item_groups.values], dtype=np.intp)
    size = len(groups.values)
    both = np.concatenate([at, at + size])
    codes = rankings.codes.copy()
    for i, (new, old) in enumerate(zip(axes, rankings.axes, strict=True)):
        codes[:, i] = np.array([new.values.index(value) for value in old.values])[rankings.codes[:, i]]
    cells = len(codes)
    exposure, products = np.zeros((cells, size)), np.zeros((cells, size, size))
    exposure[:, at] = rankings.exposure
    products[np.ix_(np.arange(cells), at, at)] = rankings.products
    cross, relevance = np.zeros((2 * size, 2 * size)), np.zeros(size)
    cross[np.ix_(both, both)] = rankings.cross
    relevance[at] = rankings.relevance
    rows = np.zeros(size, dtype=np.int64)
    rows[at] = rankings.rows
    items = rankings.items.copy()
    items[:, 0] = at[rankings.items[:, 0].astype(np.intp)]
    return replace(
        rankings,
        codes=codes,
        exposure=exposure,
        products=products,
        cross=cross,
        relevance=relevance,
        rows=rows,
        items=items,
    )


def drawn_sums(
    total: Floats, products: Floats, units: int, samples: int, generator: np.random.Generator
) -> Floats:
    """Bootstrap draws of sums over users, by their normal limit.

    Args:
        total: shape (n,), sums over `units` users.
        products: shape (n, n), sums over users of products of two of the numbers that are summed.
        units: users, at least 1.
        samples: how many draws.
        generator: where the draws come from.

    Returns:
        Shape (samples, n). Redrawing users has exactly this mean and covariance; no sum is below 0.
    """
    covariance = products - np.outer(total, total) / units
    values, vectors = np.linalg.eigh(covariance)
    factor = vectors * np.sqrt(np.maximum(values, 0.0))
    moved = generator.standard_normal((samples, len(total))) @ factor.T
    found: Floats = np.maximum(0.0, total + moved)
    return found
