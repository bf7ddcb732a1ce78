"""Exact Shapley values of tree ensembles, from a table for each small group of leaves.

Which game (what a player that is taken away leaves behind) is chosen by the background:

* with one, its rows: v(S) is the mean over all background rows of the margin of a row that has the explained row's values
  for the players in S and the background row's for the others (interventional);
* without one, the training rows' branches: where a split belongs to a player outside S, both branches are followed and
  weighted with the shares of training rows that took them (path-dependent, Lundberg 2018).

A player may own several columns, such as a category's indicators. All its columns come and go together, which is the game
of the user's own columns; adding up the values of the indicators would be another, with coalitions in which half a
category is known.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.explanations.leaf_groups import Groups, Nodes, Scales, grouped
from engine.explanations.leaf_kernels import Numbers
from engine.explanations.leaf_shares import Leaves, counted, shares_of_pairs, shares_of_players
from engine.models.ensemble import Ensemble

MAX_TABLE_BYTES = 512 << 20
"""Of all tables of one ensemble together."""
PART_BYTES = 64 << 20
"""Of the tables of pairs that are held at a time."""


class DoesNotFit(ValueError):
    """An ensemble whose tables would be too large, or that lacks what they are made of."""


@dataclass(frozen=True, kw_only=True)
class LeafTables:
    """The tables of one ensemble in one game."""

    base: Numbers
    """(margins,): the margins without any player."""
    players: int
    """One more than the highest that owns a column."""
    _leaves: Leaves
    _table: Numbers

    @classmethod
    def built(
        cls, ensemble: Ensemble, players: NDArray[np.intp], background: Numbers | None = None
    ) -> "LeafTables":
        """The tables of this game.

        Args:
            ensemble: one that `fits`.
            players: (columns,): for each column the player that owns it.
            background: (rows, columns) encoded, NaN missing; all rows count alike. None: path-dependent.

        Raises:
            DoesNotFit: the ensemble has no tables; says why, as a sentence without its end.
            ValueError: the background has no rows.
        """
        found = _fitting(ensemble, players, path_dependent=background is None)
        if isinstance(found, str):
            raise DoesNotFit(found)
        scales, nodes, groups = found
        if background is not None and len(background) == 0:
            raise ValueError("the background has no rows")
        leaves = Leaves(
            scales=scales,
            nodes=nodes,
            groups=groups,
            shares=shares_of_players(groups),
            counts=np.empty(0) if background is None else counted(scales, groups, background),
            rows=0 if background is None else len(background),
        )
        table, without = leaves.filled(leaves.shares, 0, len(groups.root), len(ensemble.base))
        alone = (nodes.parent < 0) & (
            nodes.size == 1
        )  # trees that are one leaf: the same for every row, so nobody's
        constant = np.bincount(nodes.output[alone], nodes.value[alone], minlength=len(ensemble.base))
        base = ensemble.base + constant + without
        return cls(base=base, players=int(players.max()) + 1, _leaves=leaves, _table=table)

    def values(self, encoded: Numbers) -> Numbers:
        """The Shapley values of each row: (rows, columns) to (rows, players, margins).

        `base` and a row's values sum to its margins.
        """
        values = np.zeros((len(encoded), self.players, len(self.base)))
        shares = self._leaves.shares
        self._leaves.look_up(encoded, shares, 0, len(shares.start) - 1, self._table, values)
        return values

    def interactions(self, encoded: Numbers, chosen: Sequence[int]) -> Numbers:
        """What each two of the chosen players did together and neither alone: (rows, pairs, margins).

        Pairs stand in the order of `itertools.combinations(chosen, 2)`. A number is the Shapley interaction index of the
        pair (Grabisch and Roubens 1999), the whole of it: Lundberg et al. (2018) give one half to each of the two cells
        of a matrix, and shap's `shap_interaction_values` with them.
        """
        margins = len(self.base)
        values = np.zeros((len(encoded), len(chosen) * (len(chosen) - 1) // 2, margins))
        shares = shares_of_pairs(self._leaves.groups, chosen)
        for first, stop in shares.parts(PART_BYTES // 8):
            table, _ = self._leaves.filled(shares, first, stop, margins)
            self._leaves.look_up(encoded, shares, first, stop, table, values)
        return values


def fits(ensemble: Ensemble, players: NDArray[np.intp], *, path_dependent: bool = False) -> str | None:
    """Why this ensemble has no tables, as a sentence without its end; None where it has."""
    found = _fitting(ensemble, players, path_dependent=path_dependent)
    return found if isinstance(found, str) else None


def _fitting(
    ensemble: Ensemble, players: NDArray[np.intp], *, path_dependent: bool
) -> tuple[Scales, Nodes, Groups] | str:
    if path_dependent and np.isnan(ensemble.forest.cover).any():
        return "the file does not say how many training rows took each branch"
    found = grouped(ensemble, players.astype(np.int64))
    if isinstance(found, str):
        return found
    needed = shares_of_players(found[2]).table_bytes
    if needed > MAX_TABLE_BYTES:
        return f"its tables would need {needed >> 20:,} MiB; the most is {MAX_TABLE_BYTES >> 20} MiB"
    return found
