"""Models as ONNX: estimators of scikit-learn through skl2onnx, and graphs written by hand."""

import warnings
from typing import Any
from unittest.mock import patch

import numpy as np
import onnx
import pandas as pd
from onnx import TensorProto, helper
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, StringTensorType

ROWS = [None, 1]


def _plain(key: str, value: Any, *args: Any, make: Any = helper.make_attribute, **kwargs: Any) -> Any:
    """skl2onnx 1.20 hands over numpy's truth values for histogram boosting, which onnx 1.23 does not take."""
    if isinstance(value, list) and any(isinstance(item, np.bool_ | np.integer | bool) for item in value):
        value = [int(item) for item in value]
    return make(key, value, *args, **kwargs)


def exported(model: Any, table: pd.DataFrame, **options: Any) -> onnx.ModelProto:
    """As skl2onnx writes it: an input for each column where one has texts, else one for all."""
    texts = [column for column in table if not pd.api.types.is_numeric_dtype(table[column])]
    kinds = [
        (name, StringTensorType(ROWS) if name in texts else FloatTensorType(ROWS)) for name in table.columns
    ]
    taken = kinds if texts else [("X", FloatTensorType([None, len(table.columns)]))]
    with patch("onnx.helper.make_attribute", _plain), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return to_onnx(model, initial_types=taken, **options)


def graph(
    nodes: list[Any],
    columns: int | None = 2,
    outputs: tuple[Any, ...] = (("Y", TensorProto.FLOAT, [None, 1]),),
    weights: tuple[Any, ...] = (),
    kind: int = TensorProto.FLOAT,
) -> onnx.ModelProto:
    """One input X of some columns, and the nodes that make the outputs of it."""
    made = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("X", kind, [None, columns])],
        [helper.make_tensor_value_info(*output) for output in outputs],
        list(weights),
    )
    versions = [helper.make_opsetid("", 21), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(made, opset_imports=versions, ir_version=10)
