"""Every table, by name."""

from db.tables.analyses import Analysis, Summary
from db.tables.artifacts import Artifact, Prediction
from db.tables.base import Owned, Status, Subject, Worked, now
from db.tables.events import Event
from db.tables.explanations import Explanation
from db.tables.identity import Organization, Role, Share, User
from db.tables.mitigations import Mitigation
from db.tables.registry import Dataset, Model
from engine.values import ModelType

__all__ = [
    "Analysis",
    "Artifact",
    "Dataset",
    "Event",
    "Explanation",
    "Mitigation",
    "Model",
    "ModelType",
    "Organization",
    "Owned",
    "Prediction",
    "Role",
    "Share",
    "Status",
    "Subject",
    "Summary",
    "User",
    "Worked",
    "now",
]
