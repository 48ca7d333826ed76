"""What the commands do when all is well."""

from __future__ import annotations

import gzip
import json
import signal
import socket
from pathlib import Path
from subprocess import PIPE, Popen

import pytest

from publisher.command.main import run
from schemas.command_queue import client_script
from tests.command.amibus import COMMAND, SECRET, amibus, environment, objects, simulating

PLAIN = Path(__file__).parents[2] / "../shared/traces"
MADE = (
    b"Asterisk Call Manager/9.0.0\r\n"
    b"Response: Success\r\nActionID: 1\r\nMessage: Command output follows\r\nOutput: one\r\nOutput: \r\n\r\n"
    b"Response: Follows\r\nPrivilege: Command\r\nActionID: 2\r\nfirst: line\r\n\r\nsecond\n"
    b"--END COMMAND--\r\n\r\n"
    b"Event: Hangup\r\nPrivilege: call,all\r\nChannel: SIP/202-0000019c\r\nCallerIDName: "
    + "Ёлкина".encode()
    + b"\r\nChanVariable: a=1\r\nChanVariable: b=2\r\nCause:\r\n\r\n"
    b"Event: Fake\r\nExten: 200\r\n\r\n"
    b"Event: UserEvent\r\nPrivilege: user,all\r\nName: \xca\xee\xf2\xff\xff\r\n\r\n"
    b"the tail of a split packet\r\n\r\n"
    b"Event: CoreShowChannel\r\nActionID: c\r\nChannel: Local/7@x-1;1\r\n\r\n"
    b"Event: Torn\r\nPriv"
)


def test_decode_gives_one_object_a_packet(tmp_path: Path) -> None:
    done = amibus("decode", "-", "--pbx", "kyiv", cwd=tmp_path, stdin=MADE)
    assert done.returncode == 0
    banner, new, old, hangup, fake, undecodable, split, item, torn = objects(done.stdout)
    assert banner == {"kind": "banner", "text": "Asterisk Call Manager/9.0.0", "version": "9.0.0"}
    assert (new["kind"], new["output"]) == ("response", ["one", ""])
    assert new["fields"]["ActionID"] == "1"
    assert (old["kind"], old["output"]) == ("response", ["first: line", "", "second"])
    assert hangup["event"] == "Hangup"
    assert hangup["fields"]["ChanVariable"] == ["a=1", "b=2"]
    assert hangup["fields"]["CallerIDName"] == "Ёлкина"
    assert hangup["extensions"] == ["202"]
    assert hangup["keys"] == ["kyiv.hangup.202"]
    assert hangup["text"].endswith("Cause:\r\n")
    assert "suspect" not in hangup
    assert (fake["kind"], fake["suspect"], fake["keys"]) == ("event", True, ["kyiv.fake.200"])
    assert undecodable["undecodable"] is True
    assert undecodable["fields"]["Name"].count("\N{REPLACEMENT CHARACTER}") == 5
    assert (split["kind"], split["text"]) == ("malformed", "the tail of a split packet\r\n")
    assert "suspect" not in item
    assert torn["kind"] == "malformed"
    assert torn["reason"].startswith("truncated")


def test_decode_reads_another_encoding(tmp_path: Path) -> None:
    done = amibus("decode", "-", "--encoding", "cp1251", cwd=tmp_path, stdin=MADE)
    assert objects(done.stdout)[5]["fields"]["Name"] == "Котяя"
    assert objects(done.stdout)[3]["fields"]["CallerIDName"] == "Ёлкина"


def test_a_trunk_is_no_extension(tmp_path: Path) -> None:
    data = b"Event: Hangup\r\nPrivilege: call,all\r\nChannel: SIP/202-0000001a\r\n\r\n"
    with_trunk = amibus("decode", "-", "--trunk", "202", cwd=tmp_path, stdin=data)
    assert objects(with_trunk.stdout)[0]["keys"] == ["main.hangup.-"]


def test_the_output_is_the_same_for_every_chunk(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    (tmp_path / "made.ami").write_bytes(MADE * 3)
    outputs = []
    for chunk in (1, 2, 3, 7, 64, 4096, 100_000):
        assert run(["decode", str(tmp_path / "made.ami"), "--chunk", str(chunk)]) == 0
        outputs.append(capfdbinary.readouterr().out)
    assert len(set(outputs)) == 1
    assert len(objects(outputs[0])) > 20


def test_packed_and_plain_files_and_standard_input_decode_alike(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    (tmp_path / "plain.ami").write_bytes(MADE)
    (tmp_path / "packed.ami.gz").write_bytes(gzip.compress(MADE))
    outputs = {amibus("decode", "-", cwd=tmp_path, stdin=data).stdout for data in (MADE, gzip.compress(MADE))}
    for name in ("plain.ami", "packed.ami.gz"):
        assert run(["decode", str(tmp_path / name)]) == 0
        outputs.add(capfdbinary.readouterr().out)
    assert len(outputs) == 1


def test_a_torn_gzip_gives_what_it_held_and_then_an_error(tmp_path: Path) -> None:
    (tmp_path / "torn.ami.gz").write_bytes(gzip.compress(MADE * 100)[:-30])
    done = amibus("decode", "torn.ami.gz", cwd=tmp_path)
    assert done.returncode == 1
    assert b"damaged gzip data" in done.stderr
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize(
    "trace", sorted(PLAIN.glob("*/mixed-plain.ami.gz")), ids=lambda path: path.parent.name
)
def test_every_packet_of_a_recorded_trace_is_decoded(tmp_path: Path, trace: Path) -> None:
    done = amibus("decode", str(trace), cwd=tmp_path)
    decoded = objects(done.stdout)
    data = gzip.decompress(trace.read_bytes())
    events = [piece for piece in data.split(b"\r\n\r\n") if piece.startswith(b"Event: ")]
    assert [entry["fields"]["Event"].encode() for entry in decoded if entry["kind"] == "event"] == [
        event.split(b"\r\n")[0][7:] for event in events
    ]
    assert not [entry for entry in decoded if entry["kind"] == "malformed"]


def test_schema_lists_prints_and_exports_the_documents(tmp_path: Path) -> None:
    listed = objects(amibus("schema", cwd=tmp_path).stdout)
    names = [entry["name"] for entry in listed]
    assert "event.schema.json" in names
    printed = amibus("schema", "event.schema.json", cwd=tmp_path).stdout
    assert json.loads(printed)["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    exported = objects(amibus("schema", "--out", "contract", cwd=tmp_path).stdout)
    assert [entry["name"] for entry in exported] == names
    assert (tmp_path / "contract" / "event.schema.json").read_bytes() == printed
    script = amibus("schema", "enqueue.lua", cwd=tmp_path).stdout
    assert script == client_script("enqueue").encode()
    assert (tmp_path / "contract" / "enqueue.lua").read_bytes() == script


def test_schema_into_a_place_that_cannot_be_written_fails(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = amibus("schema", "--out", "file/below", cwd=tmp_path)
    assert done.returncode == 1
    assert b"cannot be written" in done.stderr


# A simulator and a recorder.


def made_trace(folder: Path, events: int) -> tuple[Path, bytes]:
    trace = folder / "made.ami"
    body = b"".join(
        f"Event: UserEvent\r\nPrivilege: user,all\r\nNumber: {n}\r\n\r\n".encode() for n in range(events)
    )
    trace.write_bytes(b"Asterisk Call Manager/11.0.0\r\nResponse: Success\r\n\r\n" + body)
    return trace, body


def test_simulate_and_record_carry_a_trace_byte_for_byte(tmp_path: Path) -> None:
    trace, body = made_trace(tmp_path, 5000)
    with simulating("--trace", str(trace), cwd=tmp_path) as simulator:
        assert (simulator.facts["version"], simulator.facts["events"]) == ("22.10.1", 5000)
        assert "secret" not in simulator.facts
        done = amibus(
            "record",
            "got.ami.gz",
            "--pbx",
            simulator.url,
            "--seconds",
            "2",
            cwd=tmp_path,
            AMIBUS_SECRET=SECRET,
        )
        assert done.returncode == 0, done.stderr
        assert simulator.next_object() == {"trace": "finished", "times": 1, "events_sent": 5000}
        recorded = gzip.decompress((tmp_path / "got.ami.gz").read_bytes())
        assert recorded.startswith(b"Asterisk Call Manager/11.0.0\r\n")
        assert recorded.endswith(body)
        assert SECRET.encode() not in recorded
        assert objects(done.stdout)[0]["bytes"] == len(recorded)
        assert simulator.end(signal.SIGTERM) == 0


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_simulate_ends_cleanly_on_a_signal(tmp_path: Path, number: signal.Signals, code: int) -> None:
    with simulating("--calls-per-second", "5", cwd=tmp_path) as simulator:
        with socket.create_connection(("127.0.0.1", simulator.port)) as client:
            assert client.recv(100).startswith(b"Asterisk Call Manager/")
            assert simulator.end(number) == code
        assert simulator.process.stderr is not None
        assert simulator.process.stderr.read() == b""


def test_a_recording_does_not_overwrite_unless_told(tmp_path: Path) -> None:
    (tmp_path / "old.ami").write_bytes(b"precious")
    with simulating("--calls-per-second", "50", cwd=tmp_path) as simulator:
        arguments = ("record", "old.ami", "--pbx", simulator.url, "--seconds", "1")
        refused = amibus(*arguments, cwd=tmp_path, AMIBUS_SECRET=SECRET)
        assert refused.returncode == 1
        assert b"exists already; choose another name or add --overwrite" in refused.stderr
        assert (tmp_path / "old.ami").read_bytes() == b"precious"
        taken = amibus(*arguments, "--overwrite", cwd=tmp_path, AMIBUS_SECRET=SECRET)
        assert taken.returncode == 0
        assert (tmp_path / "old.ami").read_bytes().startswith(b"Asterisk Call Manager/")


def test_a_recording_says_when_the_pbx_ends_it_and_keeps_what_came(tmp_path: Path) -> None:
    trace, body = made_trace(tmp_path, 50)
    with simulating("--trace", str(trace), cwd=tmp_path) as simulator:
        recorder = Popen(
            [*COMMAND, "record", "got.ami", "--pbx", simulator.url],
            stdout=PIPE,
            stderr=PIPE,
            cwd=tmp_path,
            env=environment(AMIBUS_SECRET=SECRET),
        )
        assert simulator.next_object()["trace"] == "finished"
        file = tmp_path / "got.ami"
        assert simulator.end(signal.SIGTERM) == 0
        _, error = recorder.communicate(timeout=60)
    assert recorder.returncode == 1
    assert b"the recording ends there" in error
    assert file.read_bytes().endswith(body)


def test_a_made_up_secret_is_told_once(tmp_path: Path) -> None:
    process = Popen(
        [*COMMAND, "simulate", "--port", "0"], stdout=PIPE, stderr=PIPE, cwd=tmp_path, env=environment()
    )
    try:
        assert process.stdout is not None
        facts = json.loads(process.stdout.readline())
        url = f"ami://bus@127.0.0.1:{facts['port']}"
        done = amibus("check", "--pbx", url, "--listen", "0", cwd=tmp_path, AMIBUS_SECRET=facts["secret"])
        assert objects(done.stdout)[0]["ok"] is True
    finally:
        process.kill()
        process.communicate()
