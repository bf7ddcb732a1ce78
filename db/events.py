"""Numbered events: written with what they tell of, told when it is committed."""

from typing import Any

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

import db.tables as t


async def record(
    session: AsyncSession, subject: t.Subject, row: t.Worked, partial: Any = None, *, interim: bool = False
) -> None:
    """Write down where the work on `row` stands, in the transaction that changes it.

    The number comes from a counter on the organization's row, whose lock makes later writers wait:
    a sequence would commit out of order, and a reader that had seen 8 would never see 7.
    """
    number = await session.scalar(
        update(t.Organization)
        .where(col(t.Organization.id) == row.organization_id)
        .values(last_event=col(t.Organization.last_event) + 1)
        .returning(col(t.Organization.last_event))
    )
    session.add(
        t.Event(
            organization_id=row.organization_id,
            number=_known(number),
            subject=subject,
            subject_id=row.id,
            status=row.status,
            stage=row.stage or row.status.value,
            fraction=row.progress,
            message=row.message or "",
            partial=partial,
            interim=interim,
        )
    )


def _known(number: int | None) -> int:
    if number is None:
        raise LookupError("the organization of an event is gone")
    return number
