"""Mutation: every way to change something, and the permission that opens it."""

import strawberry

import resolvers.artifacts
import resolvers.bias
import resolvers.datasets
import resolvers.explanations
import resolvers.identity
import resolvers.mitigations
import resolvers.models
import resolvers.references
import resolvers.scoring
import resolvers.uploads
import resolvers.vetted
from auth.permissions import Open, Permission
from resolvers.incoming import UploadTicket
from resolvers.removal import Removal
from resolvers.vetted import VettedType
from schema.fields import door
from schema.rows import Analysis, Artifact, Dataset, Explanation, Mitigation, Model, Prediction, SignedIn


@strawberry.type
class Mutation:
    """What can be changed. A mutation that fails or is denied has done nothing."""

    sign_in: SignedIn | None = door(resolvers.identity.sign_in, allow=Open.ANYONE)

    register_model: Model | None = door(resolvers.models.register, allow=Permission.MODEL_WRITE)
    update_model: Model | None = door(resolvers.models.update, allow=Permission.MODEL_WRITE)
    archive_model: Model | None = door(resolvers.models.archive, allow=Permission.MODEL_WRITE)
    delete_model: Removal | None = door(resolvers.models.delete, allow=Permission.MODEL_WRITE)
    upload_model: Artifact | None = door(resolvers.artifacts.upload, allow=Permission.MODEL_WRITE)
    request_model_upload: UploadTicket | None = door(
        resolvers.artifacts.request_upload, allow=Permission.MODEL_WRITE
    )
    register_endpoint: Artifact | None = door(
        resolvers.artifacts.register_endpoint, allow=Permission.MODEL_WRITE
    )
    cancel_model_upload: Artifact | None = door(resolvers.artifacts.cancel, allow=Permission.MODEL_WRITE)
    allow_model_type: VettedType | None = door(resolvers.vetted.allow, allow=Permission.ORGANIZATION_WRITE)
    disallow_model_type: VettedType | None = door(
        resolvers.vetted.disallow, allow=Permission.ORGANIZATION_WRITE
    )
    predict: Prediction | None = door(resolvers.scoring.predict, allow=Permission.ANALYSIS_CREATE)

    upload_dataset: Dataset | None = door(resolvers.uploads.upload, allow=Permission.DATASET_WRITE)
    request_dataset_upload: UploadTicket | None = door(
        resolvers.uploads.request_upload, allow=Permission.DATASET_WRITE
    )
    register_dataset: Dataset | None = door(resolvers.references.register, allow=Permission.DATASET_WRITE)
    cancel_dataset: Dataset | None = door(resolvers.uploads.cancel, allow=Permission.DATASET_WRITE)
    score_dataset: Dataset | None = door(resolvers.scoring.score, allow=Permission.DATASET_WRITE)
    update_dataset: Dataset | None = door(resolvers.datasets.update, allow=Permission.DATASET_WRITE)
    archive_dataset: Dataset | None = door(resolvers.datasets.archive, allow=Permission.DATASET_WRITE)
    delete_dataset: Removal | None = door(resolvers.datasets.delete, allow=Permission.DATASET_WRITE)

    start_analysis: Analysis | None = door(resolvers.bias.start, allow=Permission.ANALYSIS_CREATE)
    rejudge_analysis: Analysis | None = door(resolvers.bias.rejudge, allow=Permission.ANALYSIS_CREATE)
    cancel_analysis: Analysis | None = door(resolvers.bias.cancel, allow=Permission.ANALYSIS_CREATE)
    delete_analysis: Removal | None = door(resolvers.bias.delete, allow=Permission.ANALYSIS_DELETE)

    start_explanation: Explanation | None = door(
        resolvers.explanations.start, allow=Permission.EXPLANATION_CREATE
    )
    cancel_explanation: Explanation | None = door(
        resolvers.explanations.cancel, allow=Permission.EXPLANATION_CREATE
    )
    delete_explanation: Removal | None = door(
        resolvers.explanations.delete, allow=Permission.EXPLANATION_DELETE
    )

    start_mitigation: Mitigation | None = door(resolvers.mitigations.start, allow=Permission.MODEL_WRITE)
    cancel_mitigation: Mitigation | None = door(resolvers.mitigations.cancel, allow=Permission.MODEL_WRITE)
    delete_mitigation: Removal | None = door(resolvers.mitigations.delete, allow=Permission.ANALYSIS_DELETE)
