"""Two models compared by what they take and give."""

from collections.abc import Sequence
from dataclasses import dataclass

from engine.models.signature import Feature, FeatureType, ModelFormat, Signature, Task


@dataclass(frozen=True, kw_only=True)
class FeatureChange:
    """A feature that both models take, each as something else."""

    name: str
    before: FeatureType
    after: FeatureType
    categories_added: tuple[str, ...]
    """Values that only the second has seen in training."""
    categories_removed: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class SignatureComparison:
    """How what a model takes and gives changes from one to another."""

    summary: str
    """One sentence for a person."""
    same: bool
    """Whether one can stand in for the other: the same features, types, classes and task."""
    features_added: tuple[Feature, ...]
    features_removed: tuple[Feature, ...]
    features_changed: tuple[FeatureChange, ...]
    classes_added: tuple[str, ...]
    classes_removed: tuple[str, ...]
    classes_reordered: bool
    task_before: Task
    task_after: Task
    format_before: ModelFormat
    format_after: ModelFormat
    framework_before: str
    """With its version, where the file says it."""
    framework_after: str


def compare(a: Signature, b: Signature) -> SignatureComparison:
    """What changes from a to b."""
    before, after = ({feature.name: feature for feature in each.features} for each in (a, b))
    added = tuple(feature for name, feature in after.items() if name not in before)
    removed = tuple(feature for name, feature in before.items() if name not in after)
    changed = tuple(
        change
        for name in before
        if name in after and (change := _change(before[name], after[name])) is not None
    )
    classes_added, classes_removed = _more(b.classes, a.classes), _more(a.classes, b.classes)
    reordered = not classes_added and not classes_removed and a.classes != b.classes
    same = (
        not (added or removed or changed or classes_added or classes_removed or reordered)
        and a.task == b.task
    )
    return SignatureComparison(
        summary=_summary(
            same, len(added), len(removed), len(changed), a.classes != b.classes, a.task != b.task
        ),
        same=same,
        features_added=added,
        features_removed=removed,
        features_changed=changed,
        classes_added=classes_added,
        classes_removed=classes_removed,
        classes_reordered=reordered,
        task_before=a.task,
        task_after=b.task,
        format_before=a.format,
        format_after=b.format,
        framework_before=_framework(a),
        framework_after=_framework(b),
    )


def _change(before: Feature, after: Feature) -> FeatureChange | None:
    added = _more(after.categories, before.categories) if before.categories and after.categories else ()
    removed = _more(before.categories, after.categories) if before.categories and after.categories else ()
    if before.type is after.type and not added and not removed:
        return None
    return FeatureChange(
        name=before.name,
        before=before.type,
        after=after.type,
        categories_added=added,
        categories_removed=removed,
    )


def _more(these: Sequence[str], those: Sequence[str]) -> tuple[str, ...]:
    known = set(those)
    return tuple(each for each in these if each not in known)


def _framework(signature: Signature) -> str:
    return " ".join(filter(None, (signature.framework, signature.framework_version)))


def _summary(same: bool, added: int, removed: int, changed: int, classes: bool, task: bool) -> str:
    if same:
        return "Both take the same features and give the same classes."
    said = [
        f"{count} {'feature is' if count == 1 else 'features are'} {what}"
        for count, what in ((added, "new"), (removed, "gone"), (changed, "of another type or other values"))
        if count
    ]
    said += ["the classes differ"] if classes else []
    said += ["they answer different questions"] if task else []
    sentence = ", ".join(said[:-1]) + " and " + said[-1] if len(said) > 1 else said[0]
    return f"From a to b, {sentence}."
