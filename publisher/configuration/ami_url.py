"""`ami://user@host:5038`, `amis://…`: a PBX named on the command line instead of in a file."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import unquote, urlsplit

from pydantic import ValidationError

from publisher.configuration.pbx import PbxSettings
from publisher.configuration.secrets import SecretText, mask_url
from publisher.errors import ConfigurationError

FORM: Final = "ami://user@host:port, or amis:// for TLS"


def pbx_of_url(url: str, secret: str, name: str = "main") -> PbxSettings:
    """The settings of a PBX that a URL names. Raises `ConfigurationError`.

    A password in the URL is refused: it would stand in the shell's history and in the list of processes.
    """
    try:
        parts = urlsplit(url)
        port, password = parts.port, parts.password
    except ValueError:
        raise ConfigurationError(f"{mask_url(url)!r} is no PBX; allowed: {FORM}") from None
    if parts.scheme not in ("ami", "amis") or not parts.hostname or not parts.username:
        raise ConfigurationError(f"{mask_url(url)!r} is no PBX; allowed: {FORM}")
    if password is not None:
        raise ConfigurationError(
            "a password does not belong in a URL on the command line; set AMIBUS_SECRET, or be asked for it"
        )
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ConfigurationError(f"{mask_url(url)!r} has more than a host and port; allowed: {FORM}")
    given: dict[str, Any] = {"name": name, "host": parts.hostname, "username": unquote(parts.username)}
    given |= {"secret": SecretText(secret), "tls": parts.scheme == "amis"}
    if port is not None:
        given["port"] = port
    try:
        return PbxSettings.model_validate(given)
    except ValidationError as error:
        key = ".".join(str(part) for part in error.errors(include_input=False)[0]["loc"]) or "secret"
        raise ConfigurationError(f"{mask_url(url)!r}: the {key} has a form that is not allowed") from None
