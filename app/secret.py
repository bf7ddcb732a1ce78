"""The key that tokens are signed with: the operator's, or one that this machine makes for itself once."""

import os
import secrets

from app.settings import Settings


def secret(chosen: Settings) -> str:
    """The signing key; outside production one is made at the first start and kept with the data."""
    if chosen.jwt_secret_key is not None:
        return chosen.jwt_secret_key.get_secret_value()
    chosen.data.mkdir(parents=True, exist_ok=True, mode=0o711)
    path = chosen.data / "secret"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text()
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_urlsafe(48))
    return path.read_text()
