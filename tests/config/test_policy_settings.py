"""`[policy]` and its clients: what is taken, and every wrong value in one sentence with its line and key."""

from __future__ import annotations

from pathlib import Path

import pytest

from publisher.commanding.policy import ClientRules
from publisher.configuration.loading import load, parse
from publisher.configuration.policy import MIN_TOKEN_CHARS, ClientSettings, group_names
from publisher.configuration.settings import Settings
from publisher.errors import ConfigurationError
from schemas.actions import ACTIONS, Group
from tests.config.test_loading import HERE, errors_of

TOKEN = "t0ken-of-the-crm-client"
CLIENT = f'# one\n[[policy.client]]\nname = "crm"\nsecret = "{TOKEN}"\n'


def client(text: str = "") -> ClientSettings:
    (made,) = parse(CLIENT + text, HERE).policy.client
    return made


def rules(text: str = "") -> ClientRules:
    return client(text).rules


def reveals(settings: Settings) -> bool:
    shown = (repr(settings), str(settings), repr(settings.model_dump()), settings.model_dump_json())
    return any(TOKEN in text for text in shown)


def test_a_client_may_do_nothing_by_default() -> None:
    made = rules()
    assert made == ClientRules(name="crm", rate=10.0, burst=50, max_waiting=200)
    assert not any((made.actions, made.raw, made.extensions, made.destinations, made.contexts, made.queues))
    assert not any((made.any_channel, made.global_variables, made.variables, made.applications))
    assert parse("", HERE).policy.client == []


def test_a_policy_becomes_the_rules_that_commands_are_judged_by() -> None:
    made = rules(
        'pbx = ["main"]\ncommands = ["calls", "QueuePause"]\nextensions = ["200-249", "_9X"]\n'
        'channels = ["PJSIP/{extension}", "Local/{extension}@from-queue/n"]\nany_channel = true\n'
        'contexts = ["from-internal"]\ndestinations = ["_X."]\ndestinations_denied = ["_810."]\n'
        'caller_ids = ["+74951234567"]\nvariables = ["CRM_*"]\nglobal_variables = true\nqueues = ["*"]\n'
        'user_events = ["Crm*"]\napplications = ["Playback"]\nraw = ["DBGet"]\nrate = 2.5\nburst = 3\n'
        "max_waiting = 4\n"
    )
    assert made.actions == {name for name, spec in ACTIONS.items() if spec.group is Group.CALLS} | {
        "QueuePause"
    }
    assert (made.pbxs, made.raw, made.contexts, made.applications) == (
        ("main",), frozenset({"dbget"}), ("from-internal",), ("Playback",)
    )  # fmt: skip
    assert [one.text for one in made.channels] == ["PJSIP/{extension}", "Local/{extension}@from-queue/n"]
    assert (str(made.extensions), str(made.destinations), str(made.destinations_denied)) == (
        "200-249, _9X", "_X.", "_810."
    )  # fmt: skip
    assert (str(made.caller_ids), str(made.variables), str(made.queues)) == ("+74951234567", "CRM_*", "*")
    assert (made.any_channel, made.global_variables, str(made.user_events)) == (True, True, "Crm*")
    assert (made.rate, made.burst, made.max_waiting) == (2.5, 3, 4)


@pytest.mark.parametrize("group", Group)
def test_a_group_stands_for_all_its_actions(group: Group) -> None:
    members = {name for name, spec in ACTIONS.items() if spec.group is group}
    assert rules(f'commands = ["{group}"]\n').actions == members == set(group_names()[group])
    assert members


def test_every_typed_action_can_be_named_alone_and_belongs_to_one_group() -> None:
    assert rules(f"commands = {list(ACTIONS)}\n").actions == set(ACTIONS)
    assert sorted(name for names in group_names().values() for name in names) == sorted(ACTIONS)


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ('name = "CRM"', "has a form that is not allowed"),
        ('name = "crm\\n"', "has a form that is not allowed"),
        ('name = ""', "has a form that is not allowed"),
        ("name = 5", "must be text in quotes"),
        ('pbx = "main"', "must be a list"),
        ('pbx = ["Main PBX"]', "has a form that is not allowed"),
        ('commands = ["call"]', 'is no typed action and no group of them; did you mean "calls"?'),
        ('commands = ["Originat"]', 'did you mean "Originate"?'),
        ('commands = ["Command"]', "is no typed action"),
        ('commands = ["*"]', "is no typed action"),
        ("commands = [5]", "must be text in quotes"),
        ('extensions = ["200-"]', "is no pattern; allowed: 200, 200-249, or a dialplan pattern"),
        ('extensions = ["249-200"]', "is no range; allowed: two numbers of the same length"),
        ('extensions = ["_2[9-1]"]', "is no dialplan pattern; allowed after the underscore"),
        ('extensions = ["_2XX!x"]', "is no dialplan pattern"),
        ('extensions = ["_"]', "nothing stands after the underscore"),
        ('extensions = [""]', "is empty"),
        (f'extensions = ["{"2" * 61}"]', "is too long; allowed: 60 characters"),
        ("extensions = [200]", "must be text in quotes"),
        ('destinations = ["8 495"]', "is no pattern"),
        ('destinations_denied = ["_810.x"]', "is no dialplan pattern"),
        ('caller_ids = ["+7 495"]', "is no pattern"),
        ('channels = ["PJSIP"]', "is no channel template; allowed: such as"),
        ('channels = ["PJSIP/200"]', "is no channel template"),
        ('channels = ["PJSIP/{extension}&SIP/1"]', "is no channel template"),
        ('channels = ["{extension}"]', "is no channel template"),
        ('channels = ["Local/{extension}@{extension}"]', "is no channel template"),
        ('channels = ["PJSIP/{extension},x"]', "is no channel template"),
        ('contexts = ["from internal"]', "has a form that is not allowed"),
        ('contexts = ["*"]', "has a form that is not allowed"),
        ('variables = ["_CRM_*"]', "has a form that is not allowed"),
        ('variables = ["CHANNEL(x)"]', "has a form that is not allowed"),
        ('variables = ["C*M"]', "has a form that is not allowed"),
        ('queues = ["s*t"]', "has a form that is not allowed"),
        ('user_events = ["**"]', "has a form that is not allowed"),
        ('applications = ["*"]', "has a form that is not allowed"),
        ('applications = ["Play back"]', "has a form that is not allowed"),
        ('raw = ["*"]', "has a form that is not allowed"),
        ('raw = ["Login"]', "concerns the session that all commands share"),
        ('raw = ["EVENTS"]', "concerns the session that all commands share"),
        ("any_channel = 1.5", "must be true or false"),
        ("global_variables = []", "must be true or false"),
        ("rate = -1", "0 or more"),
        ("rate = nan", "allowed: 10000 or less"),
        ("burst = 0", "1 or more"),
        ("max_waiting = 10001", "10000 or less"),
        ("max_waiting = true", "true or false"),
        ('extension = ["200"]', 'unknown key; did you mean "extensions"?'),
        ('token = "x"', "unknown key"),
    ],
)
def test_a_wrong_value_is_one_sentence_with_file_line_and_key(line: str, part: str) -> None:
    # The name stands before the secret, and once.
    text = CLIENT.replace('name = "crm"\n', f"{line}\n") if line.startswith("name") else f"{CLIENT}{line}\n"
    (error,) = errors_of(text)
    number = 3 if line.startswith("name") else 5
    key = line.partition(" =")[0]
    assert error.startswith(f"amibus.toml line {number}: policy.client[0].{key}")
    assert part in error
    assert TOKEN not in error


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("audit_bytes = 1", "65536 or more"),
        ('audit_bytes = "big"', "is no size"),
        ("audit_kept = 0", "1 or more"),
        ("audit_kept = 1001", "1000 or less"),
        ('audit_mask_numbers = "perhaps"', "must be true or false"),
        ("audit_dir = 5", "must be text in quotes"),
        ("audit = true", "unknown key"),
    ],
)
def test_a_wrong_value_of_the_audit_is_one_sentence(line: str, part: str) -> None:
    (error,) = errors_of(f"[policy]\n{line}\n")
    assert error.startswith(f"amibus.toml line 2: policy.{line.partition(' =')[0]}: ")
    assert part in error


def test_several_wrong_values_come_together_each_by_its_line_and_element() -> None:
    errors = errors_of(CLIENT + 'extensions = ["200", "x y", "_"]\nraw = ["a b"]\nburst = 0\n')
    assert [error.split(": ")[:2] for error in errors] == [
        ["amibus.toml line 5", "policy.client[0].extensions[1]"],
        ["amibus.toml line 5", "policy.client[0].extensions[2]"],
        ["amibus.toml line 6", "policy.client[0].raw[0]"],
        ["amibus.toml line 7", "policy.client[0].burst"],
    ]


def test_a_client_s_table_has_two_brackets() -> None:
    (error,) = errors_of(CLIENT.replace("[[policy.client]]", "[policy.client]"))
    assert error == "amibus.toml line 2: policy.client: must be written [[…]], with two brackets"


def test_two_clients_of_one_name_are_refused_and_one_without_a_name_too() -> None:
    (error,) = errors_of(CLIENT + CLIENT)
    assert error.startswith(
        "amibus.toml line 7: policy.client[1].name: is the same name as in amibus.toml line 3"
    )
    (missing,) = errors_of(f'[[policy.client]]\nsecret = "{TOKEN}"\n')
    assert missing == "amibus.toml line 1: policy.client[0].name: is missing"


# Tokens.


@pytest.mark.parametrize("length", [1, MIN_TOKEN_CHARS - 1])
def test_a_short_token_is_refused_wherever_it_stands(tmp_path: Path, length: int) -> None:
    short = TOKEN[:length]
    (error,) = errors_of(f'[[policy.client]]\nname = "crm"\nsecret = "{short}"\n')
    assert error.startswith(
        "amibus.toml line 3: policy.client[0].secret: is too short for a token; allowed: 16"
    )
    (tmp_path / "crm.token").write_text(short)
    (tmp_path / "crm.token").chmod(0o600)
    text = '[[policy.client]]\nname = "crm"\nsecret_file = "crm.token"\n'
    policy = parse(text, tmp_path / "amibus.toml").policy
    with pytest.raises(
        ConfigurationError, match="the token of the client crm is too short; allowed: 16"
    ) as raised:
        policy.tokens()
    assert length == 1 or short not in str(raised.value)


@pytest.mark.parametrize(
    ("secret", "part"),
    [
        ("", "needs exactly one of secret_file, secret_env, secret; found none"),
        (f'secret = "{TOKEN}"\nsecret_env = "X"', "found secret_env and secret"),
        ('secret_env = "NOWHERE"', "the environment variable NOWHERE is not set"),
        ('secret_file = "nowhere"', "cannot be read: No such file"),
        (f'secret = "{TOKEN}\\n"', "single line"),
        ('secret = ""', "is empty"),
        (f'secret = ["{TOKEN}"]', "text"),
    ],
)
def test_a_token_has_one_place_and_is_one_line(secret: str, part: str) -> None:
    errors = errors_of(f'[[policy.client]]\nname = "crm"\n{secret}\n', {"X": TOKEN})
    assert any(part in error for error in errors)
    assert not any(TOKEN in error for error in errors)


def test_tokens_are_read_anew_each_time_and_shown_by_nothing(tmp_path: Path) -> None:
    (tmp_path / "crm.token").write_text(f"{TOKEN}\n")
    (tmp_path / "crm.token").chmod(0o600)
    text = f'{CLIENT}[[policy.client]]\nname = "bot"\nsecret_file = "crm.token"\n'
    settings = parse(text, tmp_path / "amibus.toml")
    assert settings.policy.tokens() == {"crm": TOKEN, "bot": TOKEN}
    assert not reveals(settings)
    (tmp_path / "crm.token").write_text("another-token-of-the-bot")
    assert settings.policy.tokens()["bot"] == "another-token-of-the-bot"
    (tmp_path / "crm.token").unlink()
    with pytest.raises(ConfigurationError, match="cannot be read"):
        settings.policy.tokens()


def test_a_token_in_a_file_that_every_user_reads_is_refused(tmp_path: Path) -> None:
    file, token = tmp_path / "amibus.toml", tmp_path / "crm.token"
    file.write_text(CLIENT)
    file.chmod(0o644)
    with pytest.raises(ConfigurationError) as raised:
        load(file, {})
    assert str(raised.value) == (
        f"{file} line 4: policy.client[0].secret: is a secret in a file that every user can read; "
        f"run: chmod o-rwx {file}"
    )
    token.write_text(TOKEN)
    token.chmod(0o644)
    file.write_text('[[policy.client]]\nname = "crm"\nsecret_file = "crm.token"\n')
    with pytest.raises(ConfigurationError, match=r"client\[0\]\.secret_file: .* can be read by every user"):
        load(file, {})
    token.chmod(0o600)
    assert load(file, {}).policy.tokens() == {"crm": TOKEN}


def test_a_token_from_the_environment_may_stand_beside_a_file_that_everybody_reads() -> None:
    environ = {"AMIBUS__POLICY__CLIENT__0__NAME": "crm", "AMIBUS__POLICY__CLIENT__0__SECRET": TOKEN}
    assert parse("", HERE, environ, world_readable=True).policy.tokens() == {"crm": TOKEN}
    (error,) = errors_of("", environ | {"AMIBUS__POLICY__CLIENT__0__SECRET": TOKEN[:5]})
    assert error.startswith(
        "environment variable AMIBUS__POLICY__CLIENT__0__SECRET: policy.client[0].secret: is too"
    )


def test_the_audit_is_beside_the_configuration_where_it_is_named(tmp_path: Path) -> None:
    policy = parse('[policy]\naudit_dir = "audit"\naudit_bytes = "1 MiB"\n', tmp_path / "amibus.toml").policy
    assert (policy.audit_dir, policy.audit_bytes, policy.audit_mask_numbers) == (
        tmp_path / "audit",
        1 << 20,
        True,
    )


def test_a_token_of_the_environment_that_is_no_text_is_refused_where_it_is_named() -> None:
    """Bytes that are no UTF-8 come as halves of characters, and cannot sign anything."""
    text = '[[policy.client]]\nname = "crm"\nsecret_env = "CRM_TOKEN"\n'
    (error,) = errors_of(text, {"CRM_TOKEN": f"{TOKEN}\udcff"})
    assert error.startswith("amibus.toml line 3: policy.client[0].secret_env: ")
    assert "is not UTF-8 text" in error
    assert TOKEN not in error


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (
            'variables = ["1X"]',
            "letters, digits and _, a letter first, a * at the end for any ending, or * alone",
        ),
        ('queues = ["s*t"]', "letters, digits and _ . -, a * at the end for any ending, or * alone"),
        ('raw = ["*"]', "an action's name: letters, digits, _ and -, a letter first"),
        ('applications = ["*"]', "a dialplan application's name: letters, digits and _"),
        ('contexts = ["a b"]', "a context's name: letters, digits and _ . -"),
        ('pbx = ["A"]', "a-z, 0-9, _ and -, no hyphen first"),
    ],
)
def test_what_is_allowed_of_a_name_is_said_in_words(line: str, says: str) -> None:
    (error,) = errors_of(f"{CLIENT}{line}\n")
    assert error.endswith(f"has a form that is not allowed; allowed: {says}")


def test_a_client_of_an_unknown_pbx_is_told_with_its_line_and_the_known_ones() -> None:
    pbxs = '[[pbx]]\nsecret = "s"\n[[pbx]]\nname = "kyiv"\nsecret = "s"\n'
    (error,) = errors_of(f'{CLIENT}pbx = ["main", "zzz"]\n{pbxs}')
    assert error == (
        "amibus.toml line 5: policy.client[0].pbx[1]: is no PBX of this configuration; there is: main, kyiv"
    )
    assert parse(f'{CLIENT}pbx = ["main", "kyiv"]\n{pbxs}', HERE).policy.client[0].pbx == ["main", "kyiv"]


def test_where_no_pbx_is_configured_a_client_may_name_any() -> None:
    assert client('pbx = ["zzz"]').pbx == ["zzz"]
