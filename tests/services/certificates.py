"""An authority of one's own for tests of TLS, made anew each time; it vouches for nobody but 127.0.0.1."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.services.server_process import ServerFailed

_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


@dataclass(frozen=True)
class Certificates:
    """Files: the authority's certificate, a server's certificate and its key."""

    authority: Path
    certificate: Path
    key: Path


def make_certificates(folder: Path) -> Certificates:
    """A server's certificate for localhost and 127.0.0.1, signed by an authority made for it."""
    made = Certificates(folder / "authority.pem", folder / "server.pem", folder / "server.key")
    authority_key, request = folder / "authority.key", folder / "server.request"
    names = folder / "names"
    names.write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    subject = ("-subj", "/CN=ami-bus test authority that nobody trusts")
    _openssl("req", "-x509", *_KEY, *subject, "-days", "2", "-keyout", authority_key, "-out", made.authority)
    _openssl("req", "-new", *_KEY, "-subj", "/CN=localhost", "-keyout", made.key, "-out", request)
    signer = ("-CA", made.authority, "-CAkey", authority_key, "-CAcreateserial", "-extfile", names)
    _openssl("x509", "-req", "-in", request, *signer, "-days", "2", "-out", made.certificate)
    return made


def _openssl(*args: str | Path) -> None:
    program = shutil.which("openssl")
    if program is None:
        raise ServerFailed("openssl is needed for the tests of TLS")
    done = subprocess.run([program, *map(str, args)], capture_output=True, check=False)
    if done.returncode:
        raise ServerFailed(f"openssl {args[0]}: {done.stderr.decode(errors='replace')[-500:]}")
