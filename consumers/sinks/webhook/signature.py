"""How a receiver knows that a request is ours, fresh, and not one that it has seen.

Amibus-Timestamp: 1790000000                      seconds since the Unix epoch
Amibus-Signature: v1=<hex>                        HMAC-SHA256(secret, "<timestamp>.<body>")
Idempotency-Key: main-19f3a2c4d5e-1f              the event's id; for a list, a digest of the ids in it
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from typing import Final
from urllib.parse import quote

TIMESTAMP: Final = "Amibus-Timestamp"
SIGNATURE: Final = "Amibus-Signature"
IDEMPOTENCY_KEY: Final = "Idempotency-Key"
_DIGEST_CHARS: Final = 32


def signature(secret: str, timestamp: str, body: bytes) -> str:
    digest = hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256)
    return f"v1={digest.hexdigest()}"


def idempotency_key(ids: Sequence[str], listed: bool) -> str:
    """The same for the same events, whenever they are sent."""
    if not listed:
        return quote(ids[0], errors="replace")
    digest = hashlib.sha256("\n".join(ids).encode(errors="replace")).hexdigest()
    return f"list-{digest[:_DIGEST_CHARS]}"
