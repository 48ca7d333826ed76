"""Commands for PBXs from a microservice: put into the queue, followed, answered.

    async with CommandClient.connect("redis://localhost", client="crm", token=token) as commands:
        sent = await commands.send("main", "Originate", {"Phone": "200", "Exten": "89161234567"})
        async for step in sent.steps():      # accepted, ringing, answered, …
            print(step.step)
        reply = await sent.reply()
        print(reply.state, reply.reason, reply.field("Uniqueid"))

A command is queued once, however often it is sent with the same id; what may be sent again is sent again by
itself where the queue's answer got lost. Its reply is final. Where no collector is there to say so, a command
whose time is over is ended here, by the queue's clock.

Bounds: one connection that waits for news for each PBX, one for the rest. News that nobody takes are kept up
to a hundred for each command that is held; the oldest give way.
"""

from __future__ import annotations

import asyncio
import re
import time
import weakref
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final
from weakref import WeakSet

from consumers.adapters.redis.driver import MakeClient, QueueLink, client_maker
from consumers.commands.patience import Patience
from consumers.commands.sent import Progress, SentCommand
from consumers.commands.view import QueuedView, view_of
from consumers.errors import ConsumerError, IdInUse, NoReplyYet, QueueFull, QueueUnreachable
from schemas.command import DEFAULT_TTL_MS, Command, Priority, check_id, check_ttl, signature, signed_text
from schemas.command_queue import DEFAULT_KEEP_MS, EXPIRE_GRACE_MS, CommandKeys
from schemas.errors import CommandError
from schemas.redis_url import RedisUrl
from schemas.reply import FINAL, Reason, State

_NEWS_WAIT_SECS: Final = 5.0
_PBX: Final = re.compile(r"[a-z0-9_][a-z0-9_-]{0,39}")


class CommandClient:
    """A client of command queues. Close it, or use it as a context."""

    def __init__(self, link: QueueLink, client: str, token: str, patience: Patience) -> None:
        self._link = link
        self._client = client
        self._token = token
        self._patience = patience
        self._closed = False
        self._attended: dict[tuple[str, str], WeakSet[SentCommand]] = {}
        self._watchers: dict[str, asyncio.Task[None]] = {}
        self._from: dict[str, str] = {}

    @classmethod
    def connect(
        cls,
        url: str,
        *,
        client: str,
        token: str,
        timeout_secs: float = 5.0,
        verify: bool = True,
        ca_file: Path | None = None,
        make_client: MakeClient | None = None,
        patience: Patience = Patience(),  # noqa: B008 - it cannot change
    ) -> CommandClient:
        """A client for the server of a URL (`schemas.redis_url`). Nothing is connected before the first call.

        `verify` and `ca_file` are for servers with TLS. `make_client` gives clients of a server in this
        process.
        Raises `ValueError` for a URL of no known form.
        """
        if url == "embedded":
            where = "unix:///…/commands.sock, the socket in the folder of the journals ([journal] dir)"
            raise ValueError(f"the queue inside amibus run is reached by its socket: {where}")
        parsed = RedisUrl.parse(url)
        make = make_client or client_maker(parsed, timeout_secs, verify, ca_file)
        return cls(QueueLink(parsed, make, timeout_secs), client, token, patience)

    async def __aenter__(self) -> CommandClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """End the watching and close the connections. Whoever waits for a reply gets `NoReplyYet` soon."""
        self._closed = True
        watchers = list(self._watchers.values())
        self._watchers.clear()
        for watcher in watchers:
            watcher.cancel()
        await asyncio.gather(*watchers, return_exceptions=True)
        await self._link.close()

    async def send(
        self,
        pbx: str,
        action: str,
        fields: Mapping[str, Any] | None = None,
        *,
        id: str = "",
        expires_secs: float = DEFAULT_TTL_MS / 1000,
        priority: str = Priority.INTERACTIVE,
        raw: bool = False,
    ) -> SentCommand:
        """Put a command into a PBX's queue.

        Without `id` it gets a random one; give your own to be able to send the same command again. It is
        begun within `expires_secs` or never. Raises `CommandError` (nothing was sent; it names the field),
        `QueueFull`, `IdInUse`, `QueueRefused` (all: nothing was queued), and `QueueUnreachable`, whose
        `begun` says whether it may have been queued all the same.
        """
        command = Command.make(action, fields, client=self._client, id=id, raw=raw, priority=priority)
        keys = CommandKeys(_checked_pbx(pbx))
        ttl_ms, body = check_ttl(round(expires_secs * 1000)), command.encode()
        at_ms = time.time_ns() // 1_000_000
        signed = signature(self._token, signed_text(pbx, command.id, at_ms, ttl_ms, body))
        await self._watch_from(pbx)
        # Attended before it is queued: its reply may be faster than the queue's answer to us.
        sent = self._attend(pbx, command.id, command.action)
        which = (command.id, body, at_ms, ttl_ms, signed, command.client, command.action)
        answer = await self._tried(
            "enqueue",
            (keys.command(command.id), *keys.streams(command.priority), keys.fence),
            (*which, str(command.priority), DEFAULT_KEEP_MS),
        )
        match answer[0]:
            case b"queued":
                sent.expires_ms = int(answer[1])
                return sent
            case b"known":
                sent.expires_ms = int(answer[2])
                sent.look_soon()
                return sent
            case b"conflict":
                stands = (
                    f"the id {command.id} stands for another command: with other fields, or of another action"
                )
                raise IdInUse(f"{stands}; ids must not be used again")
            case b"full":
                full = f"{int(answer[1])} commands wait for {pbx}, no more are allowed"
                raise QueueFull(f"{full}; is its collector running?")
            case _:
                raise CommandError("", f"the body is too large, at most {int(answer[1])} bytes are allowed")

    async def follow(self, pbx: str, id: str) -> SentCommand | None:
        """A command that was sent before, to wait for its reply; None if the queue does not know it."""
        await self._watch_from(_checked_pbx(pbx))
        view = await self.look(pbx, id)
        if view is None:
            return None
        sent = self._attend(pbx, id, view.action)
        sent.expires_ms = view.expires_ms
        sent.look_soon()
        return sent

    async def cancel(self, pbx: str, id: str) -> str:
        """Ask that a command be not sent: "asked", "late" (it is being sent), "final" or "missing". What
        becomes of it its reply says."""
        keys = CommandKeys(_checked_pbx(pbx))
        answer = await self._tried("cancel", (keys.command(check_id(id)), keys.cancels), (id,))
        return answer[0].decode()

    async def look(self, pbx: str, id: str) -> QueuedView | None:
        """A command as the queue has it; None if it does not know it."""
        found = await self._link.fields(CommandKeys(_checked_pbx(pbx)).command(check_id(id)))
        return view_of(pbx, id, found) if found else None

    async def waiting(self, pbx: str, most: int = 1000) -> list[QueuedView]:
        """Commands that are not over: first those under way, then those that wait, interactive ones first."""
        keys = CommandKeys(_checked_pbx(pbx))
        ids = await self._link.members(keys.active, most)
        for stream in (keys.interactive, keys.bulk):
            ids += [
                entry.get("id", b"").decode("utf-8", "replace")
                for entry in await self._link.entries(stream, most)
            ]
        views = [(id, await self._link.fields(keys.command(id))) for id in ids[:most]]
        return [view_of(pbx, id, found) for id, found in views if found]

    # -- for the commands that wait ------------------------------------------

    def _attend(self, pbx: str, id: str, action: str) -> SentCommand:
        """A command that news go to from now on, as long as somebody holds it."""
        sent = SentCommand(self, pbx, id, action, self._patience)
        self._attended.setdefault((pbx, id), WeakSet()).add(sent)
        weakref.finalize(sent, self._forget, (pbx, id))
        if pbx not in self._watchers:
            self._watchers[pbx] = asyncio.create_task(self._watch(pbx))
        return sent

    def _forget(self, key: tuple[str, str]) -> None:
        # The one that goes is still counted in its set, but not found there.
        if not list(self._attended.get(key, ())):
            self._attended.pop(key, None)

    async def settle(self, sent: SentCommand) -> tuple[str, bytes]:
        """How a command stands: "missing", "final" with the reply, or its state. If its time is over and
        nobody has begun to send it, that ends it. Raises `NoReplyYet` once this client is closed."""
        if self._closed:
            raise NoReplyYet(f"the client was closed before the reply to {sent.action} {sent.id} came")
        message = "its time was over, and no collector had taken it"
        expired = sent.own_reply(State.EXPIRED, Reason.EXPIRED, message).encode()
        keys = CommandKeys(sent.pbx)
        answer = await self._link.run(
            "expire",
            (keys.command(sent.id), keys.active, keys.replies),
            (sent.id, expired, DEFAULT_KEEP_MS, EXPIRE_GRACE_MS),
        )
        state = answer[0].decode("utf-8", "replace")
        return state, answer[1] if state == "final" else b""

    async def _watch_from(self, pbx: str) -> None:
        """Where the news of what is sent now begin."""
        if pbx not in self._watchers and pbx not in self._from:
            try:
                self._from[pbx] = await self._link.newest(CommandKeys(pbx).replies)
            except QueueUnreachable:
                # News before the first look are made up for by looking.
                return

    async def _watch(self, pbx: str) -> None:
        """Hand out the news of one PBX's commands. What gets lost here the commands see for themselves."""
        stream = CommandKeys(pbx).replies
        after = self._from.pop(pbx, "0-0")
        while True:
            try:
                news = await self._link.news(stream, after, _NEWS_WAIT_SECS)
            except ConsumerError:
                await asyncio.sleep(self._patience.retry_secs)
                continue
            for entry, fields in news:
                after = entry
                id = fields.get("id", b"").decode("utf-8", "replace")
                for sent in list(self._attended.get((pbx, id), ())):
                    sent.hear(*_heard(fields))

    async def _tried(self, name: str, keys: tuple[str, ...], args: tuple[Any, ...]) -> list[bytes]:
        """Run a script that may be run again where its answer got lost."""
        left, begun = self._patience.tries, False
        while True:
            left -= 1
            try:
                return await self._link.run(name, keys, args)
            except QueueUnreachable as error:
                begun = error.begun = begun or error.begun
                if left <= 0 or self._closed:
                    raise
                await asyncio.sleep(self._patience.retry_secs)


def _heard(fields: Mapping[str, bytes]) -> tuple[Progress, bytes]:
    """The step that an entry tells of, and the reply that it brings."""
    step, state, more = (fields.get(name, b"") for name in ("step", "state", "more"))
    texts = step.decode("utf-8", "replace"), state.decode("utf-8", "replace")
    if texts[1] in FINAL:
        return Progress(*texts), more
    return Progress(*texts, more.decode("utf-8", "replace")), b""


def _checked_pbx(pbx: str) -> str:
    if not _PBX.fullmatch(pbx):
        raise CommandError("pbx", "is no name of a PBX; allowed: at most 40 of a-z, 0-9, _ and -")
    return pbx
