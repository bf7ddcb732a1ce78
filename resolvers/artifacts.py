"""The files of models on their way in, models that are served elsewhere, and what was found of both."""

import hashlib
from collections import defaultdict
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import strawberry
from pydantic import TypeAdapter
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col
from sqlmodel.sql.expression import SelectOfScalar
from strawberry import ID
from strawberry.file_uploads import Upload

import db.tables as t
import jobs.queue
from auth.permissions import Permission, Viewer
from db.errors import Conflict
from db.owned import one, one_to_change, own, owned
from db.session import Scope
from engine.errors import InvalidInput, within
from engine.models.endpoint import Endpoint
from engine.models.signature import TASKS, ModelFormat, Signature, Task
from engine.values import Count, ModelType
from resolvers.context import Context, Info
from resolvers.ids import global_id, key
from resolvers.incoming import Asked, Received, UploadTicket, sent_along, store, take_in, ticket
from resolvers.incoming import cancel as cancel_row
from resolvers.models import NewModel, add, made


@dataclass(frozen=True, kw_only=True)
class NewArtifact:
    """The file of a model: of one that is registered and has none yet, or of one to register with it."""

    model_id: ID | None = None
    model: NewModel | None = None
    """Registered in the same moment as the file is stored; without features, those that the file names."""


@dataclass(frozen=True, kw_only=True)
class NewEndpoint:
    """A model that is served elsewhere: one that is registered and has no file yet, or one to register with it."""

    endpoint: Endpoint
    model_id: ID | None = None
    model: NewModel | None = None
    """Registered in the same moment; without features, those that are declared."""


@dataclass(frozen=True, kw_only=True)
class AskedArtifact(Asked):
    """The file of a model that is to come."""

    subject = t.Subject.ARTIFACT
    table = t.Artifact
    permission = Permission.MODEL_WRITE
    entrance = "requestModelUpload"
    too_long = "model", "register it first with registerModel, and give its modelId"

    model_id: UUID
    """Of the model that is there, or of the one to register."""
    model: NewModel | None
    task: Task | None = None
    """What it answers, where that is declared; a file says it when it is opened."""

    @classmethod
    def checked(
        cls, input: NewArtifact | NewEndpoint, idempotency_key: str | None, viewer: Viewer
    ) -> "AskedArtifact":
        if (input.model_id is None) == (input.model is None):
            raise InvalidInput("give modelId or model, one of them", at=("model_id",))
        if input.model is not None:
            with within("model"):
                made(viewer, input.model)  # refused now, not when the file is there
        asked = cls(
            id=uuid4(),
            idempotency_key=jobs.queue.checked_key(idempotency_key),
            model_id=uuid4() if input.model_id is None else key(t.Model, input.model_id, at="model_id"),
            model=input.model,
            task=input.endpoint.task if isinstance(input, NewEndpoint) else None,
        )
        if input.model is not None:
            asked.refuse_kind(input.model.type)
        return asked

    def row(self, viewer: Viewer, file: Received, upload: str) -> t.Artifact:
        return self._row(viewer, sha256=file.sha256, bytes=Count(file.bytes), upload=upload)

    def row_elsewhere(self, viewer: Viewer, endpoint: Endpoint) -> t.Artifact:
        """The row for a model that is served elsewhere."""
        content = _ENDPOINT.dump_json(endpoint)
        return self._row(
            viewer,
            sha256=hashlib.sha256(content).hexdigest(),
            bytes=Count(len(content)),
            format=ModelFormat.ENDPOINT,
            endpoint=endpoint,
        )

    def _row(self, viewer: Viewer, **found: Any) -> t.Artifact:
        return t.Artifact(
            id=self.id,
            organization_id=viewer.organization_id,
            created_by_id=viewer.user_id,
            idempotency_key=self.idempotency_key,
            model_id=self.model_id,
            **found,
        )

    def same(self, before: t.Artifact, row: t.Artifact) -> bool:
        return before.sha256 == row.sha256 and (self.model is not None or before.model_id == row.model_id)

    async def ready(self, session: AsyncSession, viewer: Viewer) -> None:
        scope = viewer.scope
        if await jobs.queue.asked_before(session, t.Artifact, scope, self.idempotency_key) is not None:
            return  # whatever is there now may be what it made
        if self.model is not None:
            await _refuse_registered(session, viewer, made(viewer, self.model))
        else:
            model = await one(session, t.Model, scope, self.model_id)
            self.refuse_kind(model.type)
            _refuse_second(await session.scalar(_of(scope, self.model_id)))

    async def beside(self, session: AsyncSession, viewer: Viewer, row: t.Artifact) -> None:
        """The model, registered or locked; a file that could not be read gives way to the next one."""
        if self.model is not None:
            new = made(viewer, self.model, self.model_id)
            await _refuse_registered(session, viewer, new)
            await add(session, new)
            return
        locked = _of(viewer.scope, self.model_id).with_for_update()
        before = await session.scalar(locked)  # before the model, as by the job that ends
        model = await one_to_change(session, t.Model, viewer.scope, self.model_id)
        self.refuse_kind(model.type)
        before = before or await session.scalar(locked)  # another one may have come while we waited
        _refuse_second(before)
        if before is not None:
            await session.delete(before)
            await session.flush()

    def refuse_kind(self, type: ModelType) -> None:
        if type not in TASKS:
            raise InvalidInput(
                f"a {type} model cannot have a file or an endpoint; only {' and '.join(TASKS)} models have one"
            )
        if self.task is not None and self.task not in TASKS[type]:
            raise InvalidInput(
                f"the model is registered as {type} and its endpoint is declared as {self.task}",
                at=("endpoint", "task"),
            )


_ENDPOINT = TypeAdapter(Endpoint)


async def upload(
    info: Info, file: Upload, input: NewArtifact, idempotency_key: str | None = None
) -> t.Artifact:
    """Give a model its file, sent along (GraphQL multipart request); `progress` follows the reading of it.

    Read are skops, ONNX, XGBoost's JSON and UBJ, LightGBM's text and CatBoost's JSON. Pickles are recognised and refused: they run code.
    """
    asked = await _checked(info.context, input, idempotency_key)
    stored: t.Artifact = await take_in(info.context, asked, sent_along(file, AskedArtifact.entrance))
    return stored


async def request_upload(info: Info, input: NewArtifact, idempotency_key: str | None = None) -> UploadTicket:
    """Ask for an address to stream a model's file to with PUT; the answer to the PUT holds the artifact's id."""
    return ticket(info.context, await _checked(info.context, input, idempotency_key))


async def register_endpoint(info: Info, input: NewEndpoint, idempotency_key: str | None = None) -> t.Artifact:
    """Give a model that is served elsewhere its endpoint, which is asked over the network; `progress` follows the first question.

    Its host must be among those that the operator lists in OUTBOUND_HOSTS; what lets this server in there is theirs
    to set too (OUTBOUND_TOKENS). An endpoint that does not answer as it is declared fails the artifact in words.
    """
    context = info.context
    asked = await _checked(context, input, idempotency_key)
    input.endpoint.refuse_dots()
    context.house.outbound.target(input.endpoint.url)  # refused now; where its name leads, the job will see
    row = asked.row_elsewhere(context.viewer, input.endpoint)
    used = "the model was given a file or an endpoint a moment ago"
    return await store(context, t.Subject.ARTIFACT, row, asked.same, asked.beside, used)


async def cancel(info: Info, id: ID) -> t.Artifact:
    """End the reading of a model's file, or the first question to an endpoint, that waits or runs; nothing is kept."""
    return await cancel_row(info.context, t.Subject.ARTIFACT, t.Artifact, id)


async def of_model(model: strawberry.Parent[t.Model], info: Info) -> t.Artifact | None:
    """Its file or endpoint and what was found of it; null while it has none."""
    context = info.context

    async def load(models: list[UUID]) -> list[t.Artifact | None]:
        found: dict[UUID, t.Artifact | None] = defaultdict(lambda: None)
        async with context.read() as session:
            query = owned(t.Artifact, context.viewer.scope).where(col(t.Artifact.model_id).in_(models))
            found.update({row.model_id: row for row in await session.scalars(query)})
        return [found[id] for id in models]

    artifact: t.Artifact | None = await context.together("artifact of a model", load, model.id)
    return artifact


async def signature(artifact: strawberry.Parent[t.Artifact], info: Info) -> Signature | None:
    """What it takes and what it gives, once the file is read or the endpoint has answered."""
    kept: Signature | None = await info.context.large(artifact, "signature")
    return kept


async def endpoint(artifact: strawberry.Parent[t.Artifact], info: Info) -> Endpoint | None:
    """Where and how it is asked, of a model that is served elsewhere; what it takes and gives is its `signature`.

    Whoever may only read models is not told: an address names hosts of a network that is not theirs to know.
    """
    kept: Endpoint | None = await info.context.large(artifact, "endpoint", asked=True)
    return kept


async def _checked(
    context: Context, input: NewArtifact | NewEndpoint, idempotency_key: str | None
) -> AskedArtifact:
    asked = AskedArtifact.checked(input, idempotency_key, context.viewer)
    async with context.read() as session:
        await asked.ready(session, context.viewer)
    return asked


def _of(scope: Scope, model: UUID) -> SelectOfScalar[t.Artifact]:
    return own(t.Artifact, scope).where(col(t.Artifact.model_id) == model)


async def _refuse_registered(session: AsyncSession, viewer: Viewer, new: t.Model) -> None:
    """Say of a model that is there how its file can be given, such as after one that could not be read."""
    same = col(t.Model.name) == new.name, col(t.Model.version) == new.version
    model = await session.scalar(own(t.Model, viewer.scope).where(*same))
    if model is None:
        return
    before = await session.scalar(_of(viewer.scope, model.id))
    said = f"a model {model.name!r} of version {model.version!r} is registered already"
    if before is not None and before.status not in (t.Status.FAILED, t.Status.CANCELLED):
        raise Conflict(f"{said}, with a file or an endpoint; give another version")
    shown = Permission.MODEL_READ in viewer.permissions
    id = f" {global_id('Model', model.id)!r}" if shown else ""
    raise Conflict(f"{said}, and has no file yet: modelId{id} in place of model gives it one")


def _refuse_second(before: t.Artifact | None) -> None:
    if before is not None and before.status not in (t.Status.FAILED, t.Status.CANCELLED):
        had = "an endpoint" if before.format is ModelFormat.ENDPOINT else "a file"
        raise Conflict(f"this model has {had} already; register a new version of it for another one")
