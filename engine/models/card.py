"""The model card: what people should know of a model beyond its numbers, and how much of it is written."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import StrEnum

from engine.errors import InvalidInput

LONGEST_TEXT = 10_000
MOST_OWNERS = 50


class CardPart(StrEnum):
    """A part of a model card."""

    INTENDED_USE = "intended_use"
    LIMITS = "limits"
    TRAINING_DATA = "training_data"
    EVALUATION = "evaluation"
    ETHICAL_CONSIDERATIONS = "ethical_considerations"
    OWNERS = "owners"
    CONTACT = "contact"
    LICENCE = "licence"


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """What a person should know before they use a model or are judged by it, after Mitchell et al., "Model Cards for
    Model Reporting" (2019)."""

    intended_use: str = ""
    """What it is for, and who is meant to use it."""
    limits: str = ""
    """What it must not be used for, and where it is known to be wrong."""
    training_data: str = ""
    """Where the data came from, of when and of whom, and what was done to them."""
    evaluation: str = ""
    """How well it does, on which data, and how that was measured."""
    ethical_considerations: str = ""
    """Who may be harmed, how, and what is done about it."""
    owners: Sequence[str] = ()
    """People or teams that answer for it."""
    contact: str = ""
    """Where questions and complaints go."""
    licence: str = ""

    def __post_init__(self) -> None:
        for each in fields(self):
            given = getattr(self, each.name)
            texts = [given] if isinstance(given, str) else given
            if len(texts) > MOST_OWNERS:
                raise InvalidInput(f"owners may be {MOST_OWNERS}, got {len(texts)}", at=("owners",))
            if any(len(text) > LONGEST_TEXT or "\0" in text for text in texts):
                raise InvalidInput(
                    f"{each.name} may have {LONGEST_TEXT:,} characters and no NUL", at=(each.name,)
                )

    def completeness(self) -> "CardCompleteness":
        missing = tuple(part for part in CardPart if not _written(getattr(self, part)))
        return CardCompleteness(share=1 - len(missing) / len(CardPart), missing=missing)


@dataclass(frozen=True, kw_only=True)
class CardCompleteness:
    """How much of a model card is written."""

    share: float
    """Of its parts, in [0, 1]."""
    missing: tuple[CardPart, ...]
    """The parts that say nothing yet."""


def _written(given: str | Sequence[str]) -> bool:
    return any(text.strip() for text in ([given] if isinstance(given, str) else given))
