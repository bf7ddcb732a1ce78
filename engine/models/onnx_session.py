"""onnxruntime, kept to what a child may: the processor alone, few threads, no files and no noise."""

import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from engine.errors import InvalidInput

THREADS = 2
SILENT = 4
BATCH_ROWS = 16_384

onnxruntime.set_default_logger_severity(SILENT)


class Session:
    """A model that is loaded; what it says goes by rows, so rows are given some thousand at a time."""

    def __init__(self, content: bytes) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = min(THREADS, os.cpu_count() or 1)
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.enable_cpu_mem_arena = False
        options.log_severity_level = SILENT
        try:
            self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # noqa: BLE001  # onnxruntime has many errors and no class for all
            _refuse_hunger(error)
            raise InvalidInput(f"onnxruntime does not open the ONNX file: {said(error)}") from None
        self._outputs = [output.name for output in self._session.get_outputs()]

    def run(self, feeds: Mapping[str, NDArray[Any]], rows: int) -> list[NDArray[Any]]:
        """Its outputs for so many rows.

        Raises:
            InvalidInput: onnxruntime does not take them, or an output is not one for each row.
        """
        found = [self._batch(feeds, start, rows) for start in range(0, max(rows, 1), BATCH_ROWS)]
        return [np.concatenate(parts) for parts in zip(*found, strict=True)]

    def _batch(self, feeds: Mapping[str, NDArray[Any]], start: int, rows: int) -> list[NDArray[Any]]:
        count = min(BATCH_ROWS, rows - start)
        given = {name: values[start : start + count] for name, values in feeds.items()}
        try:
            made: Sequence[Any] = self._session.run(self._outputs, given)
        except Exception as error:  # noqa: BLE001  # as above
            _refuse_hunger(error)
            raise InvalidInput(f"the model does not take these rows: {said(error)}") from None
        for output in made:
            if not isinstance(output, np.ndarray) or output.shape[:1] != (count,):
                raise InvalidInput("the model does not give one answer for each row")
        return list(made)


def _refuse_hunger(error: Exception) -> None:
    """What asks for more memory than there is has nothing to do with the rows or the file at hand."""
    if "bad_alloc" in str(error):
        raise MemoryError from None


def said(error: Exception) -> str:
    """What onnxruntime says, without where in its source it says it and which of its conditions was not met."""
    text = str(error).strip()
    if text.startswith("["):  # [ONNXRuntimeError] : 1 : FAIL : ...
        text = text.split(" : ", 3)[-1]
    text = text.split(" Status Message: ")[-1].removeprefix("Exception during initialization: ")
    if text.startswith("/"):  # file:line, the function, and then the words
        text = text.split("] ", 1)[1] if "[with " in text else text.split(") ", 1)[-1]
    text = re.sub(r"^[\w./-]+\.(?:cc|h):\d+ (?:\w+ )?", "", text.split(" was false. ")[-1].strip())
    lines = text.splitlines()
    return lines[0][:200] if lines else type(error).__name__
