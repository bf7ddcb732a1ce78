"""Subscription: every way to follow, and the permission that opens it."""

from collections.abc import AsyncGenerator

import strawberry

import resolvers.progress
from auth.permissions import Open, Permission
from schema.fields import stream
from schema.rows import AnalysisProgress, ExplanationProgress, MitigationProgress, Progress


@strawberry.type
class Subscription:
    """What can be followed live, over WebSocket (graphql-transport-ws) or server-sent events.

    Every event has a number. A client whose connection broke goes on with `after`: nothing is missed, nothing
    comes twice. Over server-sent events the number is also the event's id, and `Last-Event-ID` is understood.
    """

    progress: AsyncGenerator[Progress, None] = stream(resolvers.progress.progress, allow=Open.SIGNED_IN)
    analysis_progress: AsyncGenerator[AnalysisProgress, None] = stream(
        resolvers.progress.analysis_progress, allow=Permission.ANALYSIS_READ
    )
    explanation_progress: AsyncGenerator[ExplanationProgress, None] = stream(
        resolvers.progress.explanation_progress, allow=Permission.EXPLANATION_READ
    )
    mitigation_progress: AsyncGenerator[MitigationProgress, None] = stream(
        resolvers.progress.mitigation_progress, allow=Permission.ANALYSIS_READ
    )
    activity: AsyncGenerator[Progress, None] = stream(resolvers.progress.activity, allow=Open.SIGNED_IN)
