"""The page on the command queue's protocol: a client that was written from it alone is answered."""

from __future__ import annotations

import hashlib
import hmac
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

from consumers import commands
from publisher.adapters.redis_commands.queue import QueueSettings
from publisher.services import intake
from schemas import action_fields, codecs, command, reply
from schemas.actions import ACTIONS
from schemas.command_documents import command_schema
from schemas.command_queue import (
    CLIENT_SCRIPTS,
    DEFAULT_KEEP_MS,
    EXPIRE_GRACE_MS,
    CommandKeys,
    client_script,
    prelude,
)
from tests.architecture.blocks import ROOT, blocks, table
from tests.command.amibus import SECRET, amibus, environment, simulating
from tests.command.test_commands import TOKEN, configure, redis_of, serving
from tests.services.choice import RedisServer

PAGE: Final = ROOT / "deploy/docs/command-protocol.md"
PATIENCE_SECS: Final = 60


def test_the_client_of_the_page_makes_a_call(tmp_path: Path, own_redis: RedisServer) -> None:
    (program,) = [block.text for block in blocks("python") if block.page == PAGE]
    (tmp_path / "client.py").write_text(program, encoding="utf-8")
    for script in ("enqueue.lua", "expire.lua"):
        (tmp_path / script).write_bytes(amibus("schema", script, cwd=tmp_path).stdout)
    queue = redis_of(own_redis)
    with simulating(cwd=tmp_path) as simulator:
        configure(tmp_path, simulator.port)
        with serving(tmp_path, **queue):
            done = client(tmp_path, own_redis, TOKEN)
            refused = client(tmp_path, own_redis, "a-token-of-nobody")
    assert done.returncode == 0, done.stderr
    *steps, last = done.stdout.splitlines()
    assert last.startswith("succeeded 1 ")
    words = [step.split()[0] for step in steps]
    assert words[:2] == ["sending", "accepted"]
    assert {"dialling", "answered"} <= set(words)
    assert refused.stdout.splitlines()[-1].startswith("rejected 1 "), refused.stderr


def test_the_policy_for_the_simulator_is_one_that_works(tmp_path: Path) -> None:
    page = ROOT / "deploy/docs/commands.md"
    (text,) = [block.text for block in blocks("toml") if block.page == page and "simulate" in block.text]
    with simulating(cwd=tmp_path) as simulator:
        port = f'port = {simulator.port}\nusername = "bus"'
        for name, content in (
            ("amibus.toml", '[log]\nformat = "json"\n' + text.replace('username = "bus"', port)),
            ("amibus.secret", SECRET),
            ("crm.token", TOKEN),
        ):
            (tmp_path / name).write_text(content, encoding="utf-8")
            (tmp_path / name).chmod(0o600)
        with serving(tmp_path):
            for words in (("Originate", "Phone=200", "Exten=201"), ("QueueStatus", "Queue=support")):
                done = amibus("send", *words, cwd=tmp_path)
                assert done.returncode == 0, done.stdout.decode()


def test_every_exception_of_the_client_stands_on_the_page() -> None:
    rows = table(ROOT / "deploy/docs/commands.md", "exception")
    errors = {name for name in commands.__all__ if issubclass(getattr(commands, name), Exception)}
    assert {row[0] for row in rows} == errors


def client(folder: Path, server: RedisServer, token: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "client.py"],
        cwd=folder,
        env=environment(REDIS_URL=server.url, CRM_TOKEN=token),
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECS,
    )


def test_the_signature_of_the_page_is_that_of_its_example() -> None:
    text = PAGE.read_text(encoding="utf-8")
    found = re.search(r"token `(\S+)`; it gives\s+`([0-9a-f]{64})`", text)
    shown = re.search(r"printf '([^']+)' '([^']+)'", text)
    assert found is not None
    assert shown is not None
    body = shown[2].encode()
    signed = shown[1].replace("\\n", "\n").replace("%s", "").encode() + body
    assert hmac.new(found[1].encode(), signed, hashlib.sha256).hexdigest() == found[2]
    assert signed == command.signed_text("main", "c-1", 1795424093210, 30000, body)
    assert command.Command.decode(body).id == "c-1"


def test_the_limits_of_the_page_are_those_of_the_code() -> None:
    def entries(action: str, name: str) -> int:
        kind = ACTIONS[action].fields[name].kind
        assert isinstance(kind, action_fields.TextMap)
        return kind.most

    (inline,) = re.findall(r"LARGEST_INLINE = (\d+)", prelude())
    (kept,) = re.findall(r"REPLIES_KEPT = (\d+)", prelude())
    shown = {
        row[0].replace("`", ""): int("".join(re.findall(r"\d+", row[1])[:1])) for row in table(PAGE, "limit")
    }
    assert shown == {
        "body": command.MAX_BODY_BYTES,
        "levels of maps and lists in a body": codecs.MAX_DEPTH,
        "id": command.MAX_ID_CHARS,
        "client": longest(command.CLIENT_FORM),
        "ttl, least": command.MIN_TTL_MS,
        "ttl, most": command.MAX_TTL_MS,
        "at, how far from now beyond ttl": intake._CLOCK_TOLERANCE_MS,
        "a value": action_fields.MAX_VALUE_CHARS,
        "Channel": action_fields.MAX_CHANNEL_CHARS,
        "Interface": action_fields.MAX_INTERFACE_CHARS,
        "CallerID": action_fields.MAX_CALLER_ID_CHARS,
        "entries of Variable": entries("Originate", "Variable"),
        "entries of Headers": entries("UserEvent", "Headers"),
        "headers of a raw action": command.RAW_FIELDS.most,
        "a reply": reply.MAX_REPLY_BYTES,
        "a reply in the news": int(inline),
        "entries of replies that are kept": int(kept),
        "commands that wait for a PBX": QueueSettings().max_depth,
    }
    assert longest(command.ID_FORM) == command.MAX_ID_CHARS


def longest(form: str) -> int:
    """How many characters a form of one character and up to so many others takes."""
    found = re.search(r"\{0,(\d+)\}$", form)
    assert found is not None
    return 1 + int(found[1])


def test_the_times_and_keys_of_the_page_are_those_of_the_code() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert f"is kept ({DEFAULT_KEEP_MS})" in text
    assert f"the grace in milliseconds ({EXPIRE_GRACE_MS})" in text
    keys = CommandKeys("main")
    known = [
        keys.command("ID"),
        keys.interactive,
        keys.bulk,
        keys.active,
        keys.cancels,
        keys.replies,
        keys.fence,
    ]
    assert all(f"| `{key}` |" in text for key in known)


def test_every_answer_of_a_script_stands_on_the_page() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for name in CLIENT_SCRIPTS:
        section = text.split(f"**{name}.lua**")[1].split("**")[0]
        answers = set(re.findall(r"return \{ '(\w+)'", client_script(name).removeprefix(prelude())))
        assert answers <= set(re.findall(r"`(\w+)`", section)), name


def test_the_fields_of_the_body_are_those_of_its_schema() -> None:
    assert {row[0] for row in table(PAGE, "key")} == set(command_schema()["properties"])
