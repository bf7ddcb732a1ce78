"""Exact Shapley values of trees by the shap package: the way out where leaf tables would be too large.

The values of all columns that a feature is made of are added up: they are those of the columns' game, in which half a
category may be known.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import shap
from numpy.typing import NDArray

from engine.models.ensemble import Ensemble, Tree
from engine.models.scorer import Numbers

CATEGORIES = "shap cannot follow splits by category"


class TreeShap:
    """shap's TreeExplainer over an ensemble of ours."""

    def __init__(self, ensemble: Ensemble, players: NDArray[np.intp], background: Numbers | None) -> None:
        self._ensemble, self._players = ensemble, players
        model = {
            "trees": [_plain(tree, ensemble) for tree in ensemble.trees],
            "base_offset": ensemble.base,
            "internal_dtype": np.float64,
            "input_dtype": np.float64,
            "objective": None,
            "tree_output": None,
        }
        if background is None:
            self._explainer = shap.TreeExplainer(model, feature_perturbation="tree_path_dependent")
        else:
            rows = _rounded(background, ensemble)
            masker = shap.maskers.Independent(
                rows, max_samples=len(rows)
            )  # by default it keeps 100 rows only
            self._explainer = shap.TreeExplainer(model, masker, feature_perturbation="interventional")
        self.base: Numbers = np.atleast_1d(np.asarray(self._explainer.expected_value, dtype=np.float64))

    def values(self, encoded: Numbers) -> Numbers:
        """(rows, columns) to (rows, players, margins)."""
        found = np.asarray(
            self._explainer.shap_values(_rounded(encoded, self._ensemble), check_additivity=False)
        ).reshape(*encoded.shape, -1)
        summed = np.zeros((len(encoded), int(self._players.max()) + 1, found.shape[2]))
        for column, player in enumerate(self._players):
            summed[:, player] += found[:, column]
        return summed

    def interactions(self, encoded: Numbers, chosen: Sequence[int]) -> None:
        """None: shap has them for single columns and in one of the two games."""


def why_not(ensemble: Ensemble, *, path_dependent: bool) -> str | None:
    """Why shap cannot serve, as a sentence without its end; None where it can."""
    if len(ensemble.sets):
        return CATEGORIES
    if path_dependent and np.isnan(ensemble.forest.cover).any():
        return "the file does not say how many training rows took each branch"
    return None


def _rounded(encoded: Numbers, ensemble: Ensemble) -> Numbers:
    return encoded.astype(np.float32).astype(np.float64) if ensemble.single else encoded


def _plain(tree: Tree, ensemble: Ensemble) -> dict[str, Any]:
    """A tree as shap takes it: rows go left where they are at most the threshold."""
    values = np.zeros((len(tree.left), len(ensemble.base)))
    values[:, tree.output] = tree.value
    return {
        "children_left": tree.left,
        "children_right": tree.right,
        "children_default": np.where(tree.missing_left, tree.left, tree.right),
        "features": tree.feature,
        "thresholds": np.nextafter(tree.threshold, -np.inf),
        "values": values,
        "node_sample_weight": np.nan_to_num(tree.cover, nan=1.0),
    }
