"""Why a connection did not come about, in words a person can act on. Pure."""

from __future__ import annotations


def why_not_opened(error: BaseException | None, timeout_secs: float, tls_hint: str = "") -> str:
    """The reason, as the end of a sentence. `tls_hint` says which ports speak TLS."""
    root = root_cause(error)
    if isinstance(root, TimeoutError) or root is None:
        return f"no answer within {timeout_secs:g} s"
    if reason := getattr(root, "verify_message", ""):
        return f"its certificate was not accepted: {reason}"
    if type(root).__module__ == "ssl":
        return f"it does not speak TLS there ({tls_hint})" if tls_hint else "it does not speak TLS there"
    if isinstance(root, ConnectionRefusedError):
        return "nothing listens there"
    return root.strerror if isinstance(root, OSError) and root.strerror else "the connection broke"


def root_cause(error: BaseException | None) -> BaseException | None:
    """The first error of the system under a driver's own ones, else the outermost."""
    seen = error
    while seen is not None:
        if isinstance(seen, OSError) and type(seen).__module__ in ("builtins", "ssl", "socket"):
            return seen
        seen = seen.__cause__ or seen.__context__
    return error
