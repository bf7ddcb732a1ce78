"""Mutation: every way to change something, and the permission that opens it."""

import strawberry

import resolvers.bias
import resolvers.identity
import resolvers.registry
import resolvers.uploads
from auth.permissions import Open, Permission
from resolvers.registry import Removal
from resolvers.uploads import UploadTicket
from schema.fields import door
from schema.rows import Analysis, Dataset, Model, SignedIn


@strawberry.type
class Mutation:
    """What can be changed. A mutation that fails or is denied has done nothing."""

    sign_in: SignedIn | None = door(resolvers.identity.sign_in, allow=Open.ANYONE)

    register_model: Model | None = door(resolvers.registry.register_model, allow=Permission.MODEL_WRITE)
    update_model: Model | None = door(resolvers.registry.update_model, allow=Permission.MODEL_WRITE)
    archive_model: Model | None = door(resolvers.registry.archive_model, allow=Permission.MODEL_WRITE)
    delete_model: Removal | None = door(resolvers.registry.delete_model, allow=Permission.MODEL_WRITE)

    upload_dataset: Dataset | None = door(resolvers.uploads.upload, allow=Permission.DATASET_WRITE)
    request_dataset_upload: UploadTicket | None = door(
        resolvers.uploads.request_upload, allow=Permission.DATASET_WRITE
    )
    cancel_dataset: Dataset | None = door(resolvers.uploads.cancel, allow=Permission.DATASET_WRITE)
    update_dataset: Dataset | None = door(resolvers.registry.update_dataset, allow=Permission.DATASET_WRITE)
    archive_dataset: Dataset | None = door(resolvers.registry.archive_dataset, allow=Permission.DATASET_WRITE)
    delete_dataset: Removal | None = door(resolvers.registry.delete_dataset, allow=Permission.DATASET_WRITE)

    start_analysis: Analysis | None = door(resolvers.bias.start, allow=Permission.ANALYSIS_CREATE)
    cancel_analysis: Analysis | None = door(resolvers.bias.cancel, allow=Permission.ANALYSIS_CREATE)
    delete_analysis: Removal | None = door(resolvers.bias.delete, allow=Permission.ANALYSIS_DELETE)
