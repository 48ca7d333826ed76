"""Whatever goes wrong, a person gets one clear line and an exit code, and never a traceback."""

from __future__ import annotations

import inspect
import socket
import subprocess
from pathlib import Path

import pytest

from publisher.command import main
from publisher.command.main import run
from publisher.configuration.ami_url import pbx_of_url
from publisher.errors import ConfigurationError
from tests.command.amibus import COMMAND, SECRET, amibus, environment, objects, one_line, simulating

PBX_TOML = '[[pbx]]\nsecret_env = "PBX_SECRET"\nport = {}\nconnect_timeout_secs = 5\n'


def test_help_names_every_command_and_the_exit_codes(tmp_path: Path) -> None:
    done = amibus("--help", cwd=tmp_path)
    text = done.stdout.decode()
    assert done.returncode == 0
    assert "Exit codes: 0 done, 1 failed, 2 usage or configuration" in text
    for verb in ("check", "simulate", "record", "decode", "schema"):
        assert f"\n  {verb} " in text


@pytest.mark.parametrize("verb", ["check", "simulate", "record", "decode", "schema"])
def test_each_command_explains_itself(capfd: pytest.CaptureFixture[str], verb: str) -> None:
    assert run([verb, "--help"]) == 0
    assert f"Usage: amibus {verb}" in capfd.readouterr().out


@pytest.mark.parametrize("group", ["commands", "topology", "journal"])
def test_a_group_without_a_subcommand_prints_its_help_as_it_is(
    capfd: pytest.CaptureFixture[str], group: str
) -> None:
    assert run([group]) == 2
    shown = capfd.readouterr()
    assert run([group, "--help"]) == 0
    assert shown.out == capfd.readouterr().out
    assert shown.out.count("\n") > 8
    assert shown.err == ""


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["commands", "ls", "--limit", "0"], "--limit: is too small; allowed: 1 or more"),
        (["send", "Ping", "--expires", "0"], "--expires: is too small; allowed: 0.1 or more"),
        (["send", "Ping", "--expires", "1e9"], "--expires: is too large; allowed: 86400 or less"),
        (["simulate", "--write-timeout", "0"], "--write-timeout: is too small; allowed: 0.01 or more"),
    ],
)
def test_a_number_out_of_its_range_says_the_range(
    capfd: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    assert run(arguments) == 2
    assert capfd.readouterr().err.startswith(f"amibus: {says} (see amibus ")


def test_without_a_command_the_help_is_shown(tmp_path: Path) -> None:
    done = amibus(cwd=tmp_path)
    assert done.returncode == 2
    assert b"Usage: amibus" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["frobnicate"], "No such command 'frobnicate'"),
        (["decode"], "Missing argument 'FILE'"),
        (["decode", "x", "--chunk", "0"], "--chunk: is too small; allowed: 1 or more"),
        (["decode", "x", "--chnk", "1"], "No such option"),
        (["decode", "x", "--encoding", "klingon"], "'klingon' is no text encoding"),
        (["decode", "x", "--encoding", "utf-16"], "'utf-16' is no text encoding"),
        (["simulate", "--rate", "fast"], "'fast' is no rate"),
        (["simulate", "--version", "13"], "allowed: 11, 20, 22"),
        (["simulate", "--tls-key", "k.pem"], "needs --tls-cert"),
        (["schema", "nothing.json"], "there is no document 'nothing.json'"),
    ],
)
def test_wrong_usage_gives_one_line_and_2(
    capfd: pytest.CaptureFixture[str], arguments: list[str], part: str
) -> None:
    assert run(arguments) == 2
    shown = capfd.readouterr()
    (line,) = shown.err.splitlines()
    assert line.startswith("amibus: ")
    assert part in line
    assert shown.out == ""


def test_the_process_says_the_same_and_exits_alike(tmp_path: Path) -> None:
    assert "No such command 'frobnicate'" in one_line(amibus("frobnicate", cwd=tmp_path), 2)


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["decode", "none.ami"], "none.ami cannot be read: No such file or directory"),
        (["decode", "."], "cannot be read: Is a directory"),
        (["simulate", "--trace", "none.ami"], "none.ami cannot be read: No such file or directory"),
    ],
)
def test_a_missing_file_gives_one_line_and_1(
    capfd: pytest.CaptureFixture[str], arguments: list[str], part: str
) -> None:
    assert run(arguments) == 1
    (line,) = capfd.readouterr().err.splitlines()
    assert part in line


def test_a_bad_configuration_names_file_line_and_key_for_each_error(tmp_path: Path) -> None:
    (tmp_path / "amibus.toml").write_text('[[pbx]]\nhots = "x"\n[bus]\nwindow = 0\n')
    done = amibus("check", cwd=tmp_path)
    assert done.returncode == 2
    errors = done.stderr.decode().splitlines()
    assert [error.split(":")[1] for error in errors] == [f" amibus.toml line {n}" for n in (2, 4)]
    assert any('pbx[0].hots: unknown key; did you mean "host"?' in error for error in errors)
    assert any("bus.window: is too small; allowed: 1 or more" in error for error in errors)
    assert done.stdout == b""


def test_a_configuration_that_is_not_there_is_named(tmp_path: Path) -> None:
    line = one_line(amibus("check", "--config", "other.toml", cwd=tmp_path), 2)
    assert line == "amibus: other.toml: cannot be read: No such file or directory"


def test_the_environment_names_a_configuration(tmp_path: Path) -> None:
    line = one_line(amibus("check", cwd=tmp_path, AMIBUS_CONFIG="elsewhere.toml"), 2)
    assert "elsewhere.toml" in line


@pytest.mark.parametrize("url", ["http://h", "ami://h", "ami://u@", "ami://u@h:99999", "ami://u@h/path"])
def test_a_url_that_is_no_pbx_says_what_is(url: str) -> None:
    with pytest.raises(ConfigurationError, match="ami://user@host:port"):
        pbx_of_url(url, SECRET)


def test_a_password_in_a_url_is_refused_and_not_repeated(tmp_path: Path) -> None:
    done = amibus("record", "x", "--pbx", "ami://u:geheim@h", cwd=tmp_path, AMIBUS_SECRET=SECRET)
    assert "geheim" not in one_line(done, 2)


def test_a_secret_that_cannot_be_asked_for_is_missed(tmp_path: Path) -> None:
    assert "AMIBUS_SECRET" in one_line(amibus("record", "x", "--pbx", "ami://u@h", cwd=tmp_path), 2)


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def test_an_unreachable_host_fails_with_one_line(tmp_path: Path) -> None:
    port = free_port()
    done = amibus("record", "x.ami", "--pbx", f"ami://u@127.0.0.1:{port}", cwd=tmp_path, AMIBUS_SECRET=SECRET)
    assert f"127.0.0.1:{port} refused the connection" in one_line(done, 1)


def test_a_wrong_password_fails_with_one_line(tmp_path: Path) -> None:
    with simulating(cwd=tmp_path) as simulator:
        done = amibus("record", "x.ami", "--pbx", simulator.url, cwd=tmp_path, AMIBUS_SECRET="wrong")
        assert "refused the login of bus: Authentication failed" in one_line(done, 1)
        assert b"wrong" not in done.stderr


def test_a_busy_port_fails_with_one_line(tmp_path: Path) -> None:
    with simulating(cwd=tmp_path) as simulator:
        line = one_line(amibus("simulate", "--port", str(simulator.port), cwd=tmp_path), 1)
        assert f"127.0.0.1:{simulator.port} is in use by another program; choose another port" in line


def test_a_port_that_speaks_no_ami_is_told(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        process = subprocess.Popen(
            [*COMMAND, "record", "x.ami", "--pbx", f"ami://u@127.0.0.1:{port}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=tmp_path,
            env=environment(AMIBUS_SECRET=SECRET),
        )
        peer, _ = server.accept()
        with peer:
            peer.sendall(b"SSH-2.0-OpenSSH_9.2\r\n\r\nx\r\n\r\n")
            _, error = process.communicate(timeout=60)
    assert process.returncode == 1
    assert b"does not greet like a manager port" in error
    assert len(error.splitlines()) == 1


def test_an_unexpected_error_says_where_and_how_to_see_more(tmp_path: Path) -> None:
    broken = "import publisher.command.schema as s; s.documents.names = lambda: 1 / 0\n"
    program = broken + "import sys; from publisher.command.main import main; sys.argv[1:] = {}; main()"
    shown = [
        subprocess.run(
            [COMMAND[0], "-c", program.format(arguments)],
            capture_output=True,
            cwd=tmp_path,
            env=environment(),
            timeout=60,
        )
        for arguments in (["schema"], ["schema", "--debug"])
    ]
    line = one_line(shown[0], 1)
    assert line == (
        "amibus: unexpected ZeroDivisionError in <string> line 1; "
        "run the same command with --debug for the details"
    )
    assert b"Traceback" in shown[1].stderr
    assert shown[1].returncode == 1


def test_a_reader_that_goes_away_ends_the_command_quietly(tmp_path: Path) -> None:
    trace = tmp_path / "long.ami"
    trace.write_bytes(b"Event: Hangup\r\nPrivilege: call,all\r\nChannel: SIP/1-1\r\n\r\n" * 50_000)
    process = subprocess.Popen(
        [*COMMAND, "decode", str(trace)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
        env=environment(),
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    error = process.stderr.read()
    process.stderr.close()
    assert process.wait(60) == 0
    assert error == b""


def test_check_without_any_pbx_says_so(tmp_path: Path) -> None:
    done = amibus("check", cwd=tmp_path)
    assert done.returncode == 1
    found = {entry["check"]: entry for entry in objects(done.stdout)}
    assert found["pbx"]["problem"] == "no PBX is configured"
    assert found["bus"]["ok"] is True


def test_check_reports_each_pbx_and_shows_no_secret(tmp_path: Path) -> None:
    with simulating(cwd=tmp_path) as simulator:
        (tmp_path / "amibus.toml").write_text(
            PBX_TOML.format(simulator.port)
            + 'username = "bus"\n'
            + PBX_TOML.format(free_port())
            + 'name = "gone"\n'
        )
        done = amibus("check", "--listen", "0.1", cwd=tmp_path, PBX_SECRET=SECRET)
    assert done.returncode == 1
    configuration, main, gone, bus = objects(done.stdout)
    assert configuration["settings"]["pbx"][0]["username"] == "bus"
    assert (main["ok"], main["asterisk"], main["ami"]) == (True, "20.20.1", "9.0.0")
    assert "writetimeout = 10000" in main["manager_conf"]
    assert (gone["ok"], "refused the connection" in gone["problem"]) == (False, True)
    assert bus["ok"] is True
    assert SECRET.encode() not in done.stdout + done.stderr


def test_check_of_a_broker_that_is_not_there_fails(tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "amibus.toml").write_text("[bus]\nconnect_timeout_secs = 5\n")
    url = f"amqp://u:geheim@127.0.0.1:{port}/"
    done = amibus("check", cwd=tmp_path, AMIBUS__BUS__URL=url)
    assert done.returncode == 1
    (bus,) = (entry for entry in objects(done.stdout) if entry["check"] == "bus")
    assert (bus["ok"], "\n" in bus["problem"]) == (False, False)
    assert b"geheim" not in done.stdout + done.stderr


def test_check_offline_connects_to_nothing(tmp_path: Path) -> None:
    (tmp_path / "amibus.toml").write_text(PBX_TOML.format(free_port()))
    done = amibus("check", "--offline", cwd=tmp_path, PBX_SECRET=SECRET)
    assert done.returncode == 0
    assert [entry["check"] for entry in objects(done.stdout)] == ["configuration"]


def test_the_example_that_check_prints_is_a_configuration(tmp_path: Path) -> None:
    example = amibus("check", "--example", cwd=tmp_path)
    (tmp_path / "amibus.toml").write_bytes(example.stdout)
    secret = tmp_path / "amibus.secret"
    secret.write_text(SECRET)
    secret.chmod(0o600)
    assert amibus("check", "--offline", cwd=tmp_path).returncode == 0


def test_every_option_left_out_is_as_good_as_one_that_is_given() -> None:
    """A default outside the range that its own option allows would refuse every plain command line."""
    groups = [main.app, *(group.typer_instance for group in main.app.registered_groups)]
    verbs = [verb.callback for group in groups if group is not None for verb in group.registered_commands]
    checked = 0
    for verb in verbs:
        assert verb is not None
        for name, parameter in inspect.signature(verb, eval_str=True).parameters.items():
            for info in getattr(parameter.annotation, "__metadata__", ()):
                least, most = getattr(info, "min", None), getattr(info, "max", None)
                if parameter.default is not None and (least is not None or most is not None):
                    assert least is None or parameter.default >= least, f"{verb.__name__} {name}"
                    assert most is None or parameter.default <= most, f"{verb.__name__} {name}"
                    checked += 1
    assert checked > 5


def test_check_without_a_pbx_says_so_offline_too(tmp_path: Path) -> None:
    (tmp_path / "amibus.toml").write_text("[commands]\nrate = 5\n")
    done = amibus("check", "--offline", cwd=tmp_path)
    assert done.returncode == 0
    assert objects(done.stdout)[-1] == {"check": "pbx", "ok": True, "warnings": ["no PBX is configured"]}


def test_whoever_has_read_enough_of_a_group_s_help_sees_no_trouble(tmp_path: Path) -> None:
    line = " ".join((*COMMAND, "commands"))
    shell = ["sh", "-c", f"{line} | true"]
    done = subprocess.run(shell, capture_output=True, cwd=tmp_path, env=environment(), timeout=60)
    assert done.stderr == b""
