"""A session under test and the PBX's side of it, in plain bytes."""

from __future__ import annotations

import hashlib

from publisher.ami.fields import ParsedPacket, parse_packet
from publisher.ami.session import AmiSession, SessionEvent, SessionSettings

SECRET = "tell-nobody"


def packet(*lines: str) -> bytes:
    return "".join(line + "\r\n" for line in (*lines, "")).encode()


def event(name: str, *lines: str) -> bytes:
    return packet(f"Event: {name}", "Privilege: call,all", *lines)


def settings(**changes: object) -> SessionSettings:
    values: dict[str, object] = {"username": "bus", "secret": SECRET, "action_id_prefix": "t", **changes}
    return SessionSettings(**values)  # type: ignore[arg-type]


def sent(session: AmiSession) -> list[ParsedPacket]:
    """The actions that the session wants to send."""
    return [parse_packet(raw + b"\r\n") for raw in session.data_to_send().split(b"\r\n\r\n")[:-1]]


def field(action: ParsedPacket, name: str) -> str:
    value = action.fields[name]
    assert isinstance(value, str)
    return value


def greet(session: AmiSession, now: float = 0.0) -> list[SessionEvent]:
    return session.receive_data(b"Asterisk Call Manager/9.0.0\r\n", now)


def log_in(session: AmiSession, now: float = 0.0) -> list[SessionEvent]:
    """Answer the whole login as Asterisk does; gives the reports of the last answer."""
    greet(session, now)
    while not session.logged_in:
        (action,) = sent(session)
        action_id = field(action, "ActionID")
        if field(action, "Action") == "Challenge":
            answer = packet("Response: Success", f"ActionID: {action_id}", "Challenge: 174675504")
        else:
            assert field(action, "Username") == "bus"
            assert field(action, "Key") == hashlib.md5(b"174675504" + SECRET.encode()).hexdigest()
            assert field(action, "Events") == "off"
            answer = packet("Response: Success", f"ActionID: {action_id}", "Message: Authentication accepted")
        reports = session.receive_data(answer, now)
    return reports


def logged_in(now: float = 0.0, **changes: object) -> AmiSession:
    session = AmiSession(settings(**changes), now)
    log_in(session, now)
    session.data_to_send()
    return session
