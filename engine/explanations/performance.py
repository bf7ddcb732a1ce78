"""How well scores foretell labels: what permutation importance measures the loss of."""

from enum import StrEnum


class Performance(StrEnum):
    """How well a model does, higher being better; errors are taken with a minus sign, as scikit-learn's scorers do."""

    ROC_AUC = "roc_auc"
    ACCURACY = "accuracy"
    BALANCED_ACCURACY = "balanced_accuracy"
    F1 = "f1"
    LOG_LOSS = "log_loss"
    BRIER = "brier"
    R2 = "r2"
    MEAN_ABSOLUTE_ERROR = "mean_absolute_error"
    ROOT_MEAN_SQUARED_ERROR = "root_mean_squared_error"
