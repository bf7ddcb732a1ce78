"""A model that is served elsewhere, as jobs ask it: in a child that may call, and may do nothing else that one without a model may."""

from dataclasses import dataclass
from typing import ClassVar

from engine.models.endpoint import Endpoint
from engine.models.endpoint_scorer import EndpointScorer
from engine.models.scorer import Scorer
from engine.models.signature import Signature
from jobs.confinement import CALLS, Confinement
from jobs.hosts import Outbound
from jobs.outbound import Line


@dataclass(frozen=True, kw_only=True)
class ModelElsewhere:
    """What asks a model, in a child."""

    endpoint: Endpoint
    line: Line
    signature: Signature
    within: ClassVar[Confinement] = Confinement(through=CALLS, seconds=1800.0)
    """It mostly waits for another server, so it may take as long as any other job."""

    @classmethod
    def at(cls, endpoint: Endpoint, outbound: Outbound) -> "ModelElsewhere":
        """The same with the way to it.

        Raises:
            InvalidInput: its address is none that is called (any more).
        """
        target = outbound.target(endpoint.url)
        line = Line(target=target, outbound=outbound.only(target))
        return cls(endpoint=endpoint, line=line, signature=endpoint.signature)

    def open(self) -> Scorer:
        """Only in a child that is kept in."""
        return EndpointScorer(endpoint=self.endpoint, call=self.line.call)
