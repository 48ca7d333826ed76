"""Actions that others send over a link (the commander's), and who takes the answer to each.

Every action handed over gets exactly one answer: the PBX's, or that none will come because the link ended.
Bound: the session's own, on requests in flight and on bytes to send.
"""

from __future__ import annotations

from collections.abc import Iterable

from publisher.ami.fields import parse_packet
from publisher.ami.framing import Packet
from publisher.ami.session import AmiSession, Reply
from publisher.command_ports import Taker


class ActionRelay:
    """One link's."""

    def __init__(self, session: AmiSession) -> None:
        self._session = session
        self._takers: dict[str, Taker] = {}

    def send(
        self,
        action: str,
        headers: Iterable[tuple[str, str]],
        action_id: str,
        taker: Taker,
        now: float,
        timeout_secs: float,
    ) -> None:
        """Raises `publisher.ami.errors.AmiError`; then nothing is sent."""
        self._session.request(action, headers, now=now, action_id=action_id, timeout_secs=timeout_secs)
        self._takers[action_id] = taker

    def item(self, action_id: str, packet: Packet) -> bool:
        """An event of a list; whether it answers one of these actions."""
        taker = self._takers.get(action_id)
        if taker is None:
            return False
        taker.item(parse_packet(packet.raw, self._session.encoding))
        return True

    def reply(self, reply: Reply) -> bool:
        """The end of a request; whether it is one of these."""
        taker = self._takers.pop(reply.action_id, None)
        if taker is None:
            return False
        taker.answered(reply)
        return True

    def end(self, reason: str) -> None:
        """The link is over."""
        takers, self._takers = self._takers, {}
        for action_id, taker in takers.items():
            taker.answered(Reply(action_id, None, False, complete=False, reason=f"the link ended: {reason}"))
