"""Tables that hold the URL of a server: in themselves, in a file or in an environment variable."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import ValidationInfo, field_validator, model_validator

from publisher.configuration.secrets import (
    SecretUrl,
    checked_env,
    checked_file,
    read_secret_env,
    read_secret_file,
    refused,
)
from publisher.configuration.section import Section
from publisher.errors import ConfigurationError


class UrlHolder(Section):
    """A table with the keys `url`, `url_file` and `url_env`, at most one of them given.

    The table itself declares the keys, so that they stand in its own order and say what they are for.
    """

    @classmethod
    @abstractmethod
    def check_url(cls, url: SecretUrl) -> SecretUrl:
        """The URL if it has a form that is allowed. Raises what `refused` makes."""

    @field_validator("url", check_fields=False)
    @classmethod
    def _known_form(cls, url: SecretUrl) -> SecretUrl:
        return cls.check_url(url)

    @field_validator("url_file", check_fields=False)
    @classmethod
    def _usable_file(cls, path: Path | None, info: ValidationInfo) -> Path | None:
        return checked_file(path, info)

    @field_validator("url_env", check_fields=False)
    @classmethod
    def _set_variable(cls, name: str | None, info: ValidationInfo) -> str | None:
        return checked_env(name, info)

    @model_validator(mode="after")
    def _one_url(self) -> Self:
        given = [key for key in ("url", "url_file", "url_env") if key in self.model_fields_set]
        given = [key for key in given if getattr(self, key) is not None]
        if len(given) > 1:
            raise refused(f"needs one of url, url_file, url_env; found {' and '.join(given)}")
        return self

    def read_url(self, environ: Mapping[str, str] = os.environ) -> SecretUrl:
        """The URL as it is now. Raises `ConfigurationError`."""
        keys: dict[str, Any] = {key: getattr(self, key) for key in ("url", "url_file", "url_env")}
        if keys["url_file"] is not None:
            origin, text = str(keys["url_file"]), read_secret_file(keys["url_file"])
        elif keys["url_env"] is not None:
            origin, text = keys["url_env"], read_secret_env(keys["url_env"], environ)
        else:
            url: SecretUrl = keys["url"]
            return url
        try:
            return self.check_url(SecretUrl(text))
        except ValueError as error:
            raise ConfigurationError(f"{origin}: {error}") from None
