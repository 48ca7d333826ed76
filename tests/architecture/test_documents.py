"""The documents say what the program does: blocks run, load or parse, tables agree with the code."""

from __future__ import annotations

import ast
import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from publisher import control
from publisher.adapters.journal import loss
from publisher.ami.reports import CloseCause
from publisher.channel_names import ChannelNames
from publisher.command import main, manager_conf
from publisher.command.check_commands import write_classes
from publisher.command.topology import described
from publisher.configuration.loading import parse
from publisher.configuration.policy import ClientSettings, PolicySettings
from publisher.configuration.settings import Settings
from publisher.decoding import MALFORMED
from publisher.services import link
from schemas import check_pattern, decode, routing_keys
from schemas.actions import Group
from schemas.message import JSON
from schemas.reply import FINAL, Reason, State, Step
from tests.architecture import reference
from tests.architecture.blocks import PAGES, ROOT, Block, blocks, command_lines, links, table
from tests.architecture.test_layers import LAYERS
from tests.command.amibus import COMMAND, SECRET, Simulator, amibus, environment, simulating

README = ROOT / "README.md"
DOCS = ROOT / "deploy/docs"
A_PBX = "ami://amibus@10.0.0.5:5038"


def relative(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_every_link_leads_to_a_file(page: Path) -> None:
    missing = [to for to in links(page) if not (page.parent / to).exists()]
    assert not missing


def test_every_page_of_the_folder_is_in_its_list() -> None:
    listed = set(links(DOCS / "README.md"))
    assert {page.name for page in DOCS.glob("*.md")} - {"README.md"} == listed


@pytest.mark.parametrize(
    ("page", "text"),
    [
        (reference.SETTINGS_PAGE, reference.settings_page()),
        (reference.LOG_PAGE, reference.log_page()),
        (reference.ACTIONS_PAGE, reference.actions_page()),
    ],
    ids=["settings", "log events", "actions"],
)
def test_the_generated_pages_are_current(page: Path, text: str) -> None:
    assert page.read_text(encoding="utf-8") == text, "run: make reference"


# What is shown.


@pytest.mark.parametrize("block", blocks("toml"), ids=lambda block: block.name)
def test_every_configuration_loads(block: Block, tmp_path: Path) -> None:
    files = {"amibus.secret": "s", "bus.url": "amqp://u:p@broker:5672/v"}
    files |= {"crm.token": "not-a-real-token", "redis.url": "redis://u:p@redis:6379/0"}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o600)
    parse(block.text, tmp_path / "amibus.toml", {"BRANCH_SECRET": "s"})


@pytest.mark.parametrize("block", blocks("python"), ids=lambda block: block.name)
def test_every_program_compiles(block: Block) -> None:
    ast.parse(block.text)


@pytest.mark.parametrize("block", blocks("ini"), ids=lambda block: block.name)
def test_every_manager_conf_is_the_one_that_check_prints(block: Block) -> None:
    old = "security" not in block.text
    pbx = parse('[[pbx]]\nsecret = "s"\n', Path("amibus.toml")).pbx[0]
    assert block.text == manager_conf.manager_conf(pbx, "1.3" if old else "9.0.0")


@pytest.mark.parametrize("block", blocks("json"), ids=lambda block: block.name)
def test_every_json_is_a_body_or_a_control_map(block: Block) -> None:
    shown = json.loads(block.text)
    if "kind" in shown:
        assert control.unpack(control.pack(shown)) == shown
        return
    event = decode(JSON, block.text.encode())
    assert json.dumps(event.to_map()) == json.dumps(shown)
    assert routing_keys(event.pbx, event.event, event.extensions)[0] == "main.hangup.200"


# What is typed.


def options_of(words: list[str]) -> str:
    """The help text of a command line's verb."""
    verb = (
        words[:2]
        if words[0] in ("commands", "journal", "parked", "topology") and len(words) > 1
        else words[:1]
    )
    shown = amibus(*verb, "--help", cwd=ROOT)
    assert shown.returncode == 0, f"amibus {' '.join(verb)}: {shown.stderr.decode()}"
    return shown.stdout.decode()


def test_every_command_line_names_a_verb_and_options_that_exist() -> None:
    lines = [words for _, words in command_lines("sh", "text") if words]
    assert len(lines) > 10
    known: dict[tuple[str, ...], str] = {}
    for words in lines:
        key = tuple(words[:2])
        known[key] = known.get(key) or options_of(words)
        for word in words:
            if word.startswith("-") and word != "-":
                assert re.search(rf"(?<![\w-]){word}(?![\w-])", known[key]), f"amibus {' '.join(words)}"


CONFIGURATION = """
[[pbx]]
host = "127.0.0.1"
port = {}
username = "bus"
secret_env = "AMIBUS_SECRET"
[[policy.client]]
name = "crm"
secret = "not-a-real-token"
commands = ["calls", "queues", "status"]
extensions = ["200-249"]
channels = ["SIP/{{extension}}"]
contexts = ["internal"]
destinations = ["200-249"]
queues = ["support"]
"""


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Simulator, Path]]:
    """A simulated PBX and `amibus run` on it, with its configuration and journals in a folder."""
    folder = tmp_path_factory.mktemp("installation")
    with simulating("--calls-per-second", "20", cwd=folder) as simulator:
        (folder / "amibus.toml").write_text(CONFIGURATION.format(simulator.port), encoding="utf-8")
        (folder / "amibus.toml").chmod(0o600)
        service = subprocess.Popen(
            [*COMMAND, "run", "--show"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=folder,
            env=environment(AMIBUS_SECRET=SECRET),
        )
        assert service.stdout is not None
        while b"main.newchannel" not in (line := service.stdout.readline()):
            assert line, "amibus run ended"
        reader = os.dup(service.stdout.fileno())
        drain = subprocess.Popen(["cat"], stdin=reader, stdout=subprocess.DEVNULL)
        os.close(reader)
        service.stdout.close()
        yield simulator, folder
        service.send_signal(signal.SIGINT)
        assert service.wait(60) == 0
        drain.wait(60)


TYPED = [(block, words) for block, words in command_lines("sh") if words[:1] != ["run"]]


@pytest.mark.parametrize(("block", "words"), TYPED, ids=[" ".join(words) for _, words in TYPED])
def test_what_the_documents_tell_to_type_works(
    block: Block, words: list[str], installation: tuple[Simulator, Path]
) -> None:
    simulator, folder = installation
    words = [simulator.url if word == A_PBX else word for word in words]
    run = amibus(*words, cwd=ROOT, AMIBUS_SECRET=SECRET, AMIBUS_CONFIG=str(folder / "amibus.toml"))
    assert run.returncode == 0, run.stderr.decode()
    # A queue in which nothing waits lists nothing, nor does a parking lot.
    assert run.stdout or words[1:] == ["ls"]


def test_make_targets_that_the_documents_name_exist() -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = {name for page in PAGES for name in re.findall(r"`?make (\w+)", page.read_text(encoding="utf-8"))}
    assert named & targets
    assert {name for name in named if f"`make {name}`" in all_text()} <= targets


def all_text() -> str:
    return "\n".join(page.read_text(encoding="utf-8") for page in PAGES)


# What is listed.


def test_the_table_of_commands_is_the_program_s() -> None:
    verbs = [*main.app.registered_commands, *main.app.registered_groups]
    assert {row[0] for row in table(README, "command")} == {f"amibus {verb.name}" for verb in verbs}


def test_the_table_of_exit_codes_is_the_program_s() -> None:
    codes = [main.DONE, main.FAILED, main.USAGE, main.INTERRUPTED]
    rows = table(README, "exit code")
    assert [row[0] for row in rows] == [str(code) for code in codes]
    assert ", ".join(f"{code} {meaning}" for code, meaning in rows) in (main.app.info.epilog or "")


def test_the_table_of_control_events_is_complete() -> None:
    kinds = {row[0].rpartition(".")[2] for row in table(README, "key")}
    assert kinds == control.KINDS | {MALFORMED}


def test_the_table_of_causes_is_complete() -> None:
    before_live = {CloseCause.LOGIN_TIMEOUT, CloseCause.LOGIN_REFUSED, CloseCause.NOT_AMI}
    known = {link._CAUSES.get(cause, cause.value) for cause in CloseCause if cause not in before_live}
    known |= {loss.DISK_FULL, loss.DISK_SLOW, loss.RETENTION, loss.JOURNAL_DAMAGED}
    known |= {"pbx_restart", "collector_restart", "malformed"}
    assert {row[0] for row in table(DOCS / "journal-and-gaps.md", "cause")} == known


def test_the_tables_of_states_and_reasons_are_complete() -> None:
    page = DOCS / "commands.md"
    assert {row[0] for row in table(page, "state")} == {str(state) for state in FINAL}
    assert {row[0] for row in table(page, "on the way")} == {str(state) for state in State if not state.final}
    told = [str(step) for step in Step if step not in (Step.QUEUED, Step.CLAIMED)]
    assert [row[0] for row in table(page, "step")] == [*told, "final"]
    rows = table(page, "reason")
    assert [row[0] for row in rows] == [str(reason) for reason in Reason]
    assert {row[1] for row in rows} == {str(state) for state in FINAL} - {"succeeded"}


def test_the_table_of_write_classes_is_the_one_that_check_looks_for() -> None:
    named = " ".join(row[1] for row in table(DOCS / "commands.md", "what")[:6]).replace("`", " ").split()
    everything = {"commands": [group.value for group in Group]}
    client = ClientSettings.model_validate({"name": "all", "secret": "not-a-real-token", **everything})
    settings = Settings(policy=PolicySettings(client=[client]))
    assert set(named) >= write_classes(settings)


def test_the_examples_of_patterns_and_parties_are_true() -> None:
    page = DOCS / "routing-keys.md"
    for row in table(page, "pattern"):
        check_pattern(row[0])
    names = ChannelNames()
    for where, examples, gives in table(page, "in")[:2]:
        assert "channel" in where or "moved" in where
        for example in re.findall("`([^`]+)`", f"`{examples}`"):
            assert names.channel(example) == (gives,)


def test_the_table_of_the_topology_is_the_program_s() -> None:
    topology = described()
    names = [part["name"] for part in (*topology["exchanges"], *topology["queues"])]
    assert [row[0] for row in table(DOCS / "rabbitmq.md", "name")] == names


def test_log_events_that_the_pages_name_exist() -> None:
    kinds = {kind.__name__ for kind in reference.report_kinds()}
    rows = table(DOCS / "rabbitmq.md", "trouble") + table(DOCS / "troubleshoot.md", "log event")
    named = {name for row in rows for cell in row for name in re.findall(r"\b[A-Z][a-z]+[A-Z]\w+\b", cell)}
    assert named & kinds
    assert named <= kinds | {"RabbitMQ", "UserEvent"}


def test_every_bound_and_every_named_test_is_where_the_map_says() -> None:
    page = ROOT / "ARCHITECTURE.md"
    for row in table(page, "what"):
        place, _, name = row[3].replace("`", "").partition(" ")
        assert name in (ROOT / place).read_text(encoding="utf-8"), row
    for row in table(page, "promise"):
        for path in re.findall(r"`(tests/[^`]+)`", f"`{row[2]}`"):
            assert (ROOT / path).exists(), path


def test_the_map_has_the_layers_that_the_test_of_layers_holds() -> None:
    units = {"publisher/*.py": "publisher", "consumers/*.py": "consumers"}
    for layer, unit, _ in table(ROOT / "ARCHITECTURE.md", "layer"):
        if layer.isdigit():
            name = units.get(unit) or unit.removesuffix(".py").strip("/").replace("/", ".")
            assert LAYERS[name] == int(layer), unit
