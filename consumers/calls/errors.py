"""The errors of the calls.

ConsumerError
└── CallStateError    a saved state cannot be taken over: damaged, or of another version
"""

from __future__ import annotations

from consumers.errors import ConsumerError


class CallStateError(ConsumerError):
    """A saved state cannot be taken over; the fold is as it was. Say so, and begin with an empty one."""
