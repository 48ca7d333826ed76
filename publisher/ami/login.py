"""The way from the connection to a login: greeting, challenge, answer.

The MD5 key is the hex digest of the challenge followed by the secret (main/manager.c, authenticate()), so
that the secret itself never crosses the wire. `Events: off` keeps the stream silent until the session's
filters stand and the caller has asked what it wants to know.
"""

from __future__ import annotations

import hashlib
import re
from enum import Enum, auto

from publisher.ami.actions import encode_action
from publisher.ami.fields import parse_packet
from publisher.ami.framing import BANNER, Packet
from publisher.ami.reports import Greeted, LoggedIn, LoginRefused
from publisher.ami.settings import SessionSettings

_VERSION = re.compile(r"/\s*(\S*)")


class Phase(Enum):
    """Where the login stands."""

    GREETING = auto()
    CHALLENGE = auto()
    ANSWER = auto()
    DONE = auto()
    REFUSED = auto()


class Login:
    """One login. `deadline` is when it has taken too long."""

    def __init__(self, settings: SessionSettings, action_id: str, now: float) -> None:
        self._settings = settings
        self._action_id = action_id
        self.phase = Phase.GREETING
        self.deadline = now + settings.greeting_timeout_secs

    @property
    def done(self) -> bool:
        return self.phase is Phase.DONE

    def greet(self, banner: Packet, now: float) -> tuple[Greeted, bytes]:
        """The PBX has greeted: what to send."""
        assert banner.kind == BANNER
        text = banner.raw.decode("utf-8", "replace").strip()
        version = _VERSION.search(text)
        greeted = Greeted(text, version[1] if version else "")
        self.deadline = now + self._settings.login_timeout_secs
        if self._settings.auth == "md5":
            self.phase = Phase.CHALLENGE
            return greeted, self._action("Challenge", [("AuthType", "MD5")])
        self.phase = Phase.ANSWER
        credentials = [("Username", self._settings.username), ("Secret", self._settings.secret)]
        return greeted, self._action("Login", [*credentials, ("Events", "off")])

    def take_response(self, packet: Packet) -> tuple[LoggedIn | LoginRefused | None, bytes] | None:
        """What a response means for the login, and what to send; None if it is not the login's."""
        response = parse_packet(packet.raw, self._settings.encoding)
        if self.done or response.fields.get("ActionID") != self._action_id:
            return None
        if response.name != "Success":
            self.phase = Phase.REFUSED
            return LoginRefused(str(response.fields.get("Message", response.name))), b""
        if self.phase is Phase.ANSWER:
            self.phase = Phase.DONE
            return LoggedIn(), b""
        challenge = str(response.fields.get("Challenge", ""))
        secret = self._settings.secret.encode(self._settings.encoding)
        key = hashlib.md5(challenge.encode("utf-8", "surrogateescape") + secret, usedforsecurity=False)
        self.phase = Phase.ANSWER
        credentials = [("AuthType", "MD5"), ("Username", self._settings.username), ("Key", key.hexdigest())]
        return None, self._action("Login", [*credentials, ("Events", "off")])

    def _action(self, action: str, headers: list[tuple[str, str]]) -> bytes:
        return encode_action(action, headers, self._action_id, self._settings.encoding)
