"""Whom to trust: the system's authorities, or those of a file."""

from __future__ import annotations

import ssl
from pathlib import Path

from consumers.errors import SinkMisconfigured
from consumers.plugin import SinkContext


def tls_context(verify: bool, ca_file: Path | None, context: SinkContext) -> ssl.SSLContext:
    """For connections of a sink. Raises `SinkMisconfigured` when the file cannot be used."""
    path = context.folder / ca_file.expanduser() if ca_file else None
    try:
        tls = ssl.create_default_context(cafile=path)
    except ssl.SSLError:
        raise SinkMisconfigured(f"ca_file: {path} holds no certificates") from None
    except OSError as error:
        raise SinkMisconfigured(f"ca_file: {path} cannot be read: {error.strerror}") from error
    if not verify:
        tls.check_hostname = False
        tls.verify_mode = ssl.CERT_NONE
    return tls
