"""Which features carry the gap between two groups: what was found.

These are the classes of the API and of the stored JSON. A new field has a default.
"""

from dataclasses import dataclass

from engine.values import Count, Interval


@dataclass(frozen=True, kw_only=True)
class FeatureGap:
    """What one feature adds to the gap between two groups."""

    feature: str
    difference: float
    """Mean Shapley value of the group minus that of the reference, in the report's unit; all features together add up to
    the gap."""
    interval: Interval | None
    """Welch's, over rows."""
    mean: float
    """Mean Shapley value in the group."""
    reference_mean: float
    protected: bool
    """Whether it is the attribute itself."""


@dataclass(frozen=True, kw_only=True)
class GroupGap:
    """How the difference between a model's mean outputs for two groups falls to its features."""

    attribute: str
    group: str
    reference: str
    rows: Count
    """Of the group that were explained."""
    reference_rows: Count
    score: float
    """Mean score of the group: the probability of the class, or the predicted value."""
    reference_score: float
    difference: float
    """The gap: mean output of the group minus that of the reference, in the report's unit."""
    interval: Interval | None
    """Welch's, over rows."""
    features: tuple[FeatureGap, ...]
    """Those that carry most first, in either direction."""
    others: float
    """Sum over the features that are not shown."""
