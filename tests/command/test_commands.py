"""`amibus send` and `amibus commands`, with `amibus run` and a simulated PBX, as users have them."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from redis import Redis

from schemas.reply import Step
from tests.command.amibus import (
    COMMAND,
    PATIENCE_SECS,
    SECRET,
    Simulator,
    amibus,
    environment,
    objects,
    one_line,
    simulating,
)
from tests.services.choice import RedisServer

TOKEN = "not-a-real-token"
CONFIG = """\
[[pbx]]
name = "main"
port = {port}
username = "bus"
secret = "{secret}"
[journal]
dir = "journals"
[commands]
rate = {rate}
burst = 1
[log]
format = "json"
{policy}
"""
POLICY = f"""\
[[policy.client]]
name = "crm"
secret = "{TOKEN}"
commands = ["calls", "queues", "status"]
extensions = ["200-219"]
channels = ["SIP/{{extension}}"]
contexts = ["internal"]
destinations = ["200-219"]
queues = ["*"]
variables = ["CRM_*"]
raw = ["CoreSettings"]
"""


@dataclass
class House:
    """A folder with a configuration, and what runs on it."""

    folder: Path
    simulator: Simulator

    def amibus(self, *words: str, **more: str) -> subprocess.CompletedProcess[bytes]:
        return amibus(*words, cwd=self.folder, **more)


def configure(folder: Path, port: int, rate: float = 0, policy: str = POLICY) -> None:
    (folder / "amibus.toml").write_text(CONFIG.format(port=port, secret=SECRET, rate=rate, policy=policy))
    (folder / "amibus.toml").chmod(0o600)


@contextmanager
def serving(folder: Path, **more: str) -> Iterator[None]:
    """A running `amibus run` that takes commands."""
    process = subprocess.Popen([*COMMAND, "run"], stderr=subprocess.PIPE, cwd=folder, env=environment(**more))
    assert process.stderr is not None
    try:
        told = ""
        while told != "CommandsReady":
            line = process.stderr.readline()
            assert line, "amibus run ended"
            told = json.loads(line)["event"]
        drain = threading.Thread(target=process.stderr.read, daemon=True)
        drain.start()
        yield
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_SECS) == 0
        drain.join()
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("house")
    with simulating("--busy", "217", "--no-answer", "218", cwd=folder) as simulator:
        configure(folder, simulator.port)
        with serving(folder):
            yield House(folder, simulator)


def test_a_call_shows_its_steps_and_ends_with_its_outcome(house: House) -> None:
    done = house.amibus(
        "send", "originate", "phone=200", "Exten=201", "Variable.CRM_ID=Карта 15", "--id", "call-1"
    )
    *steps, reply = objects(done.stdout)
    assert done.returncode == 0, done.stderr.decode()
    assert steps[0] == {"step": "queued", "id": "call-1"}
    # A step is news: the final reply may overtake it, but never another step.
    words = [step["step"] for step in steps]
    assert words == [step for step in Step if step in words]
    assert (reply["state"], reply["fields"]["Uniqueid"]) == ("succeeded", "call-1")


@pytest.mark.parametrize(("phone", "reason"), [("217", "busy"), ("218", "no_answer")])
def test_a_call_that_fails_ends_with_its_reason_and_exit_code_1(
    house: House, phone: str, reason: str
) -> None:
    done = house.amibus("send", "Originate", f"Phone={phone}", "Exten=201", "Timeout=8000")
    reply = objects(done.stdout)[-1]
    assert done.returncode == 1
    assert (reply["state"], reply["reason"]) == ("failed", reason)


def test_a_query_comes_back_with_its_list(house: House) -> None:
    done = house.amibus("send", "QueueStatus", "Queue=support")
    assert done.returncode == 0
    assert {"QueueParams", "QueueMember"} <= {event["Event"] for event in objects(done.stdout)[-1]["events"]}


def test_a_raw_action_goes_where_the_policy_names_it(house: House) -> None:
    done = house.amibus("send", "CoreSettings", "--raw")
    assert done.returncode == 0
    assert objects(done.stdout)[-1]["fields"]["AsteriskVersion"].startswith("20.")
    refused = house.amibus("send", "CoreStatus", "--raw")
    reply = objects(refused.stdout)[-1]
    assert refused.returncode == 1
    assert (reply["state"], reply["reason"]) == ("rejected", "not_allowed")


def test_what_the_policy_does_not_allow_is_rejected_with_the_fields_name(house: House) -> None:
    done = house.amibus("send", "Originate", "Phone=200", "Exten=88005553535")
    reply = objects(done.stdout)[-1]
    assert done.returncode == 1
    assert (reply["state"], reply["reason"]) == ("rejected", "not_allowed")
    assert reply["message"].startswith("Exten: ")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("Originat", "Phone=200"), "Originate"),
        (("Originate", "Phone=200", "Extem=201"), "Exten"),
        (
            ("Originate", "Exten=201"),
            "Phone: is missing; Originate needs Phone or Channel; Originate takes Phone,",
        ),
        (
            ("Originate", "Phone=200", "Exten=a b"),
            "; Originate takes Phone, Channel, Exten, Context, Priority,",
        ),
        (("Command", "Command=core show uptime"), "is no typed action; others can only be sent raw"),
        (("Originate", "Phone", "Exten=201"), "write NAME=VALUE"),
        (("Originate", "Phone=200", "Phone=201"), "Phone is there twice"),
        (("Originate", "Phone=20\n0", "Exten=201"), "Phone"),
        (("Ping", "--id", "a b"), "id"),
        (("Ping", "--pbx", "kyiv"), "there is no PBX 'kyiv' in the configuration; there is: main"),
        (("Ping", "--client", "erp"), "there is no client 'erp' in the policy; there is: crm"),
        (("Ping", "--expires", "0"), "--expires"),
    ],
)
def test_what_is_no_command_is_told_in_one_line_and_not_sent(
    house: House, words: tuple[str, ...], says: str
) -> None:
    done = house.amibus("send", *words)
    assert says in one_line(done, 2)
    assert not done.stdout


def test_a_wrong_token_is_refused_without_telling_what_would_be_right(house: House) -> None:
    done = house.amibus("send", "Ping", AMIBUS_TOKEN="another-wrong-token")
    reply = objects(done.stdout)[-1]
    assert done.returncode == 1
    assert (reply["state"], reply["reason"]) == ("rejected", "unauthenticated")
    assert TOKEN not in done.stdout.decode()
    assert done.stderr.decode() == (
        "amibus: the policy of main knows no client crm with that token; "
        "the token comes from the environment variable AMIBUS_TOKEN\n"
    )


def test_the_same_id_gives_the_same_reply_and_another_command_under_it_is_refused(house: House) -> None:
    first = house.amibus("send", "Ping", "--id", "ping-1")
    again = house.amibus("send", "Ping", "--id", "ping-1")
    assert objects(first.stdout)[-1] == objects(again.stdout)[-1]
    other = house.amibus("send", "QueueStatus", "--id", "ping-1")
    says = "the id ping-1 stands for another command: with other fields, or of another action; "
    assert says in one_line(other, 2)


def test_a_command_can_be_looked_at_afterwards(house: House) -> None:
    house.amibus("send", "Originate", "Phone=200", "Exten=201", "--id", "shown-1", "--no-wait")
    sent = house.amibus("send", "Originate", "Phone=200", "Exten=201", "--id", "shown-1")
    (shown,) = objects(house.amibus("commands", "show", "shown-1").stdout)
    assert shown["reply"] == objects(sent.stdout)[-1]
    assert shown["fields"] == {"Phone": "200", "Exten": "201"}
    unknown = house.amibus("commands", "show", "nobody")
    assert "the queue of main knows no command nobody" in one_line(unknown, 1)


def test_what_is_over_is_in_no_list_and_cannot_be_called_back(house: House) -> None:
    house.amibus("send", "Ping", "--id", "over-1")
    listed = house.amibus("commands", "ls")
    assert listed.returncode == 0
    assert "over-1" not in listed.stdout.decode()
    late = house.amibus("commands", "cancel", "over-1")
    assert late.returncode == 1
    (told,) = objects(late.stdout)
    assert (told["cancelled"], told["state"], told["id"]) == (False, "succeeded", "over-1")
    assert "knows no command nobody" in one_line(house.amibus("commands", "cancel", "nobody"), 1)


def test_a_command_that_waits_is_listed_and_called_back(tmp_path: Path) -> None:
    with simulating(cwd=tmp_path) as simulator:
        # One at once, and then hardly any: the second one waits.
        configure(tmp_path, simulator.port, rate=0.01)
        with serving(tmp_path):
            assert amibus("send", "Ping", cwd=tmp_path).returncode == 0
            waits = amibus("send", "Ping", "--id", "waits-1", "--no-wait", cwd=tmp_path)
            assert waits.returncode == 0
            (listed,) = objects(amibus("commands", "ls", cwd=tmp_path).stdout)
            assert (listed["id"], listed["client"], listed["action"]) == ("waits-1", "crm", "Ping")
            patient = amibus("send", "Ping", "--id", "waits-1", "--timeout", "0.5", cwd=tmp_path)
            assert "ask again: amibus commands show waits-1" in one_line(patient, 1)
            back = amibus("commands", "cancel", "waits-1", cwd=tmp_path)
            assert back.returncode == 0
            (told,) = objects(back.stdout)
            assert (told["cancelled"], told["state"], told["reason"]) == (True, "rejected", "cancelled")
            again = amibus("commands", "cancel", "waits-1", cwd=tmp_path)
            assert again.returncode == 1
            assert objects(again.stdout)[0]["cancelled"] is False
            assert not amibus("commands", "ls", cwd=tmp_path).stdout


def test_without_a_service_the_embedded_queue_says_where_it_would_be(tmp_path: Path) -> None:
    configure(tmp_path, 1)
    says = "the command queue is inside amibus run, and none that takes commands runs on "

    def tells() -> None:
        assert says in one_line(amibus("send", "Ping", cwd=tmp_path), 2)
        for words in (("ls",), ("show", "x"), ("cancel", "x")):
            assert says in one_line(amibus("commands", *words, cwd=tmp_path), 1)

    tells()
    # What a killed process leaves behind.
    (tmp_path / "journals").mkdir()
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / "journals" / "commands.sock"))
    tells()


def test_a_redis_that_is_not_there_is_named_without_its_password(tmp_path: Path) -> None:
    configure(tmp_path, 1)
    more = {"AMIBUS__COMMANDS__URL": "redis://user:not-a-real-password@127.0.0.1:1/0"}
    line = one_line(amibus("send", "Ping", cwd=tmp_path, **more), 2)
    assert "127.0.0.1:1" in line
    assert "not-a-real-password" not in line


def redis_of(server: RedisServer, login: str = "") -> dict[str, str]:
    return {"AMIBUS__COMMANDS__URL": f"redis://{login}{server.host}:{server.port}/0"}


def at(folder: Path, *words: str, **more: str) -> subprocess.CompletedProcess[bytes]:
    return amibus(*words, cwd=folder, stdin=b"", **more)


def test_where_nothing_was_queued_the_exit_code_is_2(tmp_path: Path, own_redis: RedisServer) -> None:
    configure(tmp_path, 1)
    login = "nobody:not-a-real-password@"
    wrong = one_line(at(tmp_path, "send", "Ping", **redis_of(own_redis, login)), 2)
    assert "refused the login" in wrong
    with Redis(host=own_redis.host, port=own_redis.port) as redis:
        redis.config_set("maxmemory", "1")
        redis.config_set("maxmemory-policy", "noeviction")
        full = one_line(at(tmp_path, "send", "Ping", **redis_of(own_redis)), 2)
        assert "is out of memory" in full
        redis.config_set("maxmemory", "0")
        assert redis.keys("amibus:*") == []


def test_a_queue_that_does_not_answer_gives_1_and_the_id_to_try_again_with(
    tmp_path: Path, own_redis: RedisServer
) -> None:
    configure(tmp_path, 1)
    more = {**redis_of(own_redis), "AMIBUS__COMMANDS__TIMEOUT_SECS": "0.2"}
    own_redis.sigstop()
    try:
        line = one_line(at(tmp_path, "send", "Ping", "--id", "p-1", **more), 1)
    finally:
        own_redis.sigcont()
    assert "it may be queued all the same: the same again with --id p-1 is safe" in line


def test_a_request_to_cancel_stands_where_nobody_serves_the_queue(
    tmp_path: Path, own_redis: RedisServer
) -> None:
    configure(tmp_path, 1)
    more = redis_of(own_redis)
    sent = at(tmp_path, "send", "Ping", "--id", "alone-1", "--no-wait", **more)
    assert sent.returncode == 0
    asked = at(tmp_path, "commands", "cancel", "alone-1", **more)
    assert "nobody serves the queue of main now, or not within 5 s; the request stands" in one_line(asked, 1)
    assert objects(asked.stdout) == [{"cancelled": None, "id": "alone-1", "pbx": "main", "state": "queued"}]
    with simulating(cwd=tmp_path) as simulator:
        configure(tmp_path, simulator.port)
        with serving(tmp_path, **more):
            honoured = at(tmp_path, "send", "Ping", "--id", "alone-1", **more)
    assert objects(honoured.stdout)[-1]["reason"] == "cancelled"


def test_who_does_not_say_whose_command_it_is_hears_who_there_is(tmp_path: Path) -> None:
    other = POLICY + '[[policy.client]]\nname = "erp"\nsecret = "not-a-real-one-either"\n'
    configure(tmp_path, 1, policy=other)
    line = one_line(amibus("send", "Ping", cwd=tmp_path), 2)
    assert "say whose command it is with --client NAME; in the policy: crm, erp" in line


def test_check_says_the_policy_in_words(tmp_path: Path) -> None:
    configure(tmp_path, 1)
    done = amibus("check", "--offline", cwd=tmp_path)
    assert done.returncode == 0, done.stderr.decode()
    (policy,) = [entry for entry in objects(done.stdout) if entry.get("check") == "policy"]
    assert policy["client"] == "crm"
    words = "\n".join(policy["rules"])
    for piece in ("200-219", "SIP/{extension}", "internal", "CRM_*", "coresettings"):
        assert piece in words
    assert TOKEN not in done.stdout.decode()


def test_check_asks_the_pbx_for_the_rights_that_the_policy_needs(tmp_path: Path) -> None:
    with simulating(cwd=tmp_path) as simulator:
        configure(tmp_path, simulator.port)
        done = amibus("check", cwd=tmp_path)
        assert done.returncode == 0, done.stdout.decode()
        assert "is refused" not in done.stdout.decode()
