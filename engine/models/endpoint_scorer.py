"""A model behind an endpoint as a Scorer. It knows no network: it is handed what carries a question there and an answer back."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from engine.errors import InvalidInput
from engine.models.endpoint import Endpoint
from engine.models.endpoint_wire import read, written
from engine.models.scorer import Numbers
from engine.models.signature import Signature
from engine.tables.limits import MIB, size

Call = Callable[[str, bytes], bytes]
"""Sends a body to a path below the endpoint's address, and gives back what is answered."""
BATCH_BYTES = 4 * MIB
"""Of one question."""
MOST_BYTES = 16 * MIB
"""Of a question about a single row, which cannot be cut."""
BATCH_CELLS = 200_000
"""Values and scores of one question and its answer, before its bytes are counted."""
BATCH_ROWS = 10_000


@dataclass(frozen=True, kw_only=True)
class EndpointScorer:
    """Asks about some rows at a time; what it answers is checked, and nothing is known of its inside."""

    endpoint: Endpoint
    call: Call

    @cached_property
    def signature(self) -> Signature:
        return self.endpoint.signature

    def scores(self, rows: pd.DataFrame) -> Numbers:
        wide = len(self.endpoint.features) + len(self.endpoint.classes)
        at_once = max(1, min(BATCH_ROWS, BATCH_CELLS // wide))
        pieces = [self._asked(rows.iloc[i : i + at_once]) for i in range(0, len(rows), at_once)]
        return np.vstack(pieces) if pieces else np.empty((0, max(1, len(self.endpoint.classes))))

    def inside(self) -> None:
        return None

    def _asked(self, rows: pd.DataFrame) -> Numbers:
        body = written(self.endpoint, rows)
        if len(body) > BATCH_BYTES and len(rows) > 1:
            half = len(rows) // 2
            return np.vstack([self._asked(rows.iloc[:half]), self._asked(rows.iloc[half:])])
        if len(body) > MOST_BYTES:
            raise InvalidInput(f"a row has {size(len(body))}; at most {size(MOST_BYTES)} are sent")
        return read(self.endpoint, self.call(self.endpoint.path, body), len(rows))
