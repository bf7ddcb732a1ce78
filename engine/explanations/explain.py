"""The door to explanations. To add a kind, add a row to KINDS."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from pandas.api.types import is_numeric_dtype

from engine.errors import InvalidInput
from engine.explanations import agreement, counterfactuals, gap, lime, over_rows, permutation, single_rows
from engine.explanations.case import Case
from engine.explanations.options import ExplanationKind
from engine.explanations.questions import check
from engine.explanations.report import Explained

KINDS: Mapping[ExplanationKind, Callable[[Case], Explained]] = MappingProxyType(
    {
        ExplanationKind.SHAP: single_rows.explained,
        ExplanationKind.LIME: lime.explained,
        ExplanationKind.PERMUTATION: permutation.explained,
        ExplanationKind.GLOBAL: over_rows.explained,
        ExplanationKind.COUNTERFACTUAL: counterfactuals.explained,
        ExplanationKind.AGREEMENT: agreement.explained,
        ExplanationKind.GAP: gap.explained,
    }
)


def explain(kind: ExplanationKind, case: Case) -> Explained:
    """Answer one question about a model.

    Raises:
        InvalidInput: there are no rows, or the question does not fit the model.
    """
    if not len(case.rows):
        raise InvalidInput("there are no rows to explain", at=("rows",))
    if not len(case.background):
        raise InvalidInput("the background has no rows", at=("background_rows",))
    numbers = {name: is_numeric_dtype(case.background[name]) for name in case.names}
    check(kind, case.options, case.scorer.signature, numbers, case.truths)
    return KINDS[kind](case)
