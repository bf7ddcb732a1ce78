"""How well scores foretell labels: what permutation importance measures the loss of.

This module is of the API too and knows nothing heavy; the formulas stand in `measures.py`.
"""

from enum import StrEnum


class Performance(StrEnum):
    """How well a model does, higher being better; errors are taken with a minus sign, as scikit-learn's scorers do."""

    ROC_AUC = "roc_auc"
    """Of two classes: the chance that a row of the second is scored higher than one of the first."""
    ACCURACY = "accuracy"
    BALANCED_ACCURACY = "balanced_accuracy"
    """Mean recall over the classes."""
    F1 = "f1"
    """Of the second of two classes; of more, the mean over them."""
    LOG_LOSS = "log_loss"
    """Minus the mean negative logarithm of the true class's probability."""
    BRIER = "brier"
    """Minus the mean squared error of the second class's probability; of more classes, summed over them."""
    R2 = "r2"
    MEAN_ABSOLUTE_ERROR = "mean_absolute_error"
    ROOT_MEAN_SQUARED_ERROR = "root_mean_squared_error"
