"""Tables that hold a secret: in a file, in an environment variable, or in themselves."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Self

from pydantic import ValidationInfo, field_validator, model_validator

from publisher.configuration.secrets import (
    SecretText,
    checked_env,
    checked_file,
    read_secret_env,
    read_secret_file,
    refused,
)
from publisher.configuration.section import Section

_KEYS: Final = ("secret_file", "secret_env", "secret")


class SecretHolder(Section):
    """A table with the keys `secret_file`, `secret_env` and `secret`, exactly one of them given.

    The table itself declares the keys, so that they stand in its own order and say what they are for.
    """

    @field_validator("secret_file", check_fields=False)
    @classmethod
    def _usable_file(cls, path: Path | None, info: ValidationInfo) -> Path | None:
        return checked_file(path, info)

    @field_validator("secret_env", check_fields=False)
    @classmethod
    def _set_variable(cls, name: str | None, info: ValidationInfo) -> str | None:
        return checked_env(name, info)

    @field_validator("secret", check_fields=False)
    @classmethod
    def _one_line(cls, secret: SecretText | None) -> SecretText | None:
        if secret is not None and not secret.reveal():
            raise refused("is empty")
        if secret is not None and any(ord(character) < 0x20 for character in secret.reveal()):
            raise refused("must be a single line without control characters")
        return secret

    @model_validator(mode="after")
    def _one_secret(self) -> Self:
        given = [key for key in _KEYS if getattr(self, key) is not None]
        if len(given) != 1:
            found = " and ".join(given) or "none"
            raise refused(f"needs exactly one of secret_file, secret_env, secret; found {found}")
        return self

    def read_secret(self, environ: Mapping[str, str] = os.environ) -> str:
        """The secret as it is now. Raises `ConfigurationError` if its file or variable has gone."""
        where: dict[str, Any] = {key: getattr(self, key) for key in _KEYS}
        if where["secret"] is not None:
            return str(where["secret"].reveal())
        if where["secret_file"] is not None:
            return read_secret_file(where["secret_file"])
        return read_secret_env(where["secret_env"], environ)
