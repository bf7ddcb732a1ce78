"""Permissions and the roles that grant them; the whole access policy is this table."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from uuid import UUID

from auth.errors import Forbidden
from db.session import Scope
from db.tables import Role


class Permission(StrEnum):
    MODEL_READ = "model:read"
    MODEL_WRITE = "model:write"
    DATASET_READ = "dataset:read"
    DATASET_WRITE = "dataset:write"
    DATASET_PREVIEW = "dataset:preview"
    ANALYSIS_CREATE = "analysis:create"
    ANALYSIS_READ = "analysis:read"
    ANALYSIS_DELETE = "analysis:delete"
    EXPLANATION_CREATE = "explanation:create"
    EXPLANATION_READ = "explanation:read"
    EXPLANATION_DELETE = "explanation:delete"
    USER_READ = "user:read"
    ORGANIZATION_WRITE = "organization:write"


class Open(StrEnum):
    """Doors that ask for no permission; only the entrances that the house test names use them."""

    ANYONE = "anyone"
    SIGNED_IN = "signed_in"


READ = frozenset(
    {
        Permission.MODEL_READ,
        Permission.DATASET_READ,
        Permission.ANALYSIS_READ,
        Permission.EXPLANATION_READ,
        Permission.USER_READ,
    }
)
WORK = READ | {
    Permission.MODEL_WRITE,
    Permission.DATASET_WRITE,
    Permission.DATASET_PREVIEW,
    Permission.ANALYSIS_CREATE,
    Permission.ANALYSIS_DELETE,
    Permission.EXPLANATION_CREATE,
    Permission.EXPLANATION_DELETE,
}

GRANTS: Mapping[Role, frozenset[Permission]] = MappingProxyType(
    {
        Role.ADMIN: frozenset(Permission),
        Role.ANALYST: WORK,
        Role.AUDITOR: READ | {Permission.DATASET_PREVIEW},
        Role.VIEWER: READ,
    }
)


@dataclass(frozen=True, kw_only=True)
class Viewer:
    """The authenticated caller of one operation, as the database knows them now."""

    user_id: UUID
    organization_id: UUID
    email: str
    role: Role

    @property
    def permissions(self) -> frozenset[Permission]:
        return GRANTS[self.role]

    @property
    def scope(self) -> Scope:
        return Scope(organization_id=self.organization_id, user_id=self.user_id)

    def require(self, permission: Permission) -> None:
        if permission not in self.permissions:
            raise Forbidden(
                f"this needs the permission {permission}, which the role {self.role} does not have"
            )
