"""How well scores foretell labels: what permutation importance measures the loss of.

This module is of the API too and knows nothing heavy; the formulas stand in `measures.py`.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from engine.errors import InvalidInput
from engine.models.signature import Task


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

    @property
    def words(self) -> str:
        """Its name in a sentence."""
        return _NAMES.get(self, self.replace("_", " "))


_NAMES: Mapping[str, str] = MappingProxyType(
    {"roc_auc": "ROC AUC", "f1": "F1", "brier": "Brier score", "r2": "R2"}
)
CLASSES = (Task.BINARY, Task.MULTICLASS)
USUAL: Mapping[Task, Performance] = MappingProxyType(
    {
        Task.BINARY: Performance.ROC_AUC,
        Task.MULTICLASS: Performance.ACCURACY,
        Task.REGRESSION: Performance.R2,
    }
)
TASKS: Mapping[Performance, tuple[Task, ...]] = MappingProxyType(
    {
        Performance.ROC_AUC: (Task.BINARY,),
        Performance.ACCURACY: CLASSES,
        Performance.BALANCED_ACCURACY: CLASSES,
        Performance.F1: CLASSES,
        Performance.LOG_LOSS: CLASSES,
        Performance.BRIER: CLASSES,
        Performance.R2: (Task.REGRESSION,),
        Performance.MEAN_ABSOLUTE_ERROR: (Task.REGRESSION,),
        Performance.ROOT_MEAN_SQUARED_ERROR: (Task.REGRESSION,),
    }
)
"""The models that each is a measure of."""


def checked(performance: Performance | None, task: Task) -> Performance:
    """The measure that was asked for, or the usual one.

    Raises:
        InvalidInput: it is not one of such a model.
    """
    if performance is None:
        return USUAL[task]
    if task not in TASKS[performance]:
        fitting = ", ".join(name for name, tasks in TASKS.items() if task in tasks)
        raise InvalidInput(
            f"{performance} is no measure of a {task} model; these are: {fitting}", at=("performance",)
        )
    return performance
