"""The reference pages that are generated: all settings, all log events, all actions.

`python -m tests.architecture.reference` (or `make reference`) writes them anew; a test compares.
"""

from __future__ import annotations

import dataclasses
import re
import types
from pathlib import Path
from typing import Any, Final, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from consumers import reports as consumer_reports
from consumers.reports import BindingReport
from publisher import reports
from publisher.adapters.log import level_of
from publisher.configuration.example import ARRAYS, SIZES, own_fields, sections, toml
from publisher.configuration.quantities import format_size, plain_number
from publisher.configuration.section import ServerTls, TlsSettings
from publisher.reports import BusBlocked, CommandJournalAlarm, JournalAlarm, Report
from schemas.actions import ACTIONS, ActionSpec, Group

ROOT: Final = Path(__file__).parents[2]
SETTINGS_PAGE: Final = ROOT / "deploy/docs/settings.md"
LOG_PAGE: Final = ROOT / "deploy/docs/log-events.md"
ACTIONS_PAGE: Final = ROOT / "deploy/docs/actions.md"

_NOT_USED_YET: Final = frozenset({"gateway"})

_SETTINGS_HEAD: Final = """\
# Settings

All keys of `amibus.toml`, generated from the program (`make reference`). Every key has a default; unknown
keys are errors that name the line. The file is the one given by `--config` or `AMIBUS_CONFIG`, else
`amibus.toml` in the current folder, else there is only the environment. `AMIBUS__SECTION__KEY=value`
overrides a key: `AMIBUS__BUS__URL=amqp://…`, `AMIBUS__PBX__0__HOST=10.0.0.5`; a value that starts with `[`
or `{` is read as TOML. Sizes are bytes or text such as `"500 MB"` and `"10 GiB"`. Relative paths start at the
file's folder.

A secret stands in a file of its own or in a variable (`secret_file`, `secret_env`, `url_file`, `url_env`);
files with secrets that every user can read are refused. `amibus check --offline` shows what was understood,
without secrets.
"""

_LOG_HEAD: Final = """\
# Log events

What `amibus run` writes to standard error, generated from the program (`make reference`). A line has the
time, the level, the PBX or the binding, the event's name and its data; `[log] format = "json"` makes each
an object with `time`, `level`, `event`, `pbx` or `binding`, and the data. The same event about the same PBX
or binding is written at most once in ten seconds; the next line says how often it came meanwhile
(`repeated`). Phone numbers are cut to their last four digits unless `[log] mask_numbers = false`.

| event | level | data | meaning |
|---|---|---|---|
"""


_ACTIONS_HEAD: Final = """\
# Actions

What a client may send, generated from the program (`make reference`). Names are those of Asterisk's manager
interface, in any case. `*` marks fields that must be given; below each table stands what is needed in all. A
map's entries are written `Variable.NAME=value` on the command line. Whether a client may send an action, and
with which values, is the policy's to say ([commands](commands.md)); everything else Asterisk knows goes only
raw, where the policy names it.
"""


def settings_page() -> str:
    """The reference of all settings."""
    parts = [_SETTINGS_HEAD]
    for section, model in sections():
        header = f"[[{section}]]" if section in ARRAYS else f"[{section}]"
        about = (model.__doc__ or "").splitlines()[0]
        unused = " Read, and not used in this version." if section in _NOT_USED_YET else ""
        parts.append(f"## `{header}`\n\n{about}{unused}\n" + _table(model))
    parts.append(
        f"## `tls = {{ … }}`\n\n{(TlsSettings.__doc__ or '').splitlines()[0]}\n" + _table(TlsSettings)
    )
    return "\n".join(parts)


def _table(model: type[BaseModel]) -> str:
    if not model.model_fields:
        return ""
    lines = ["", "| key | default | meaning |", "|---|---|---|"]
    for key, field in own_fields(model).items():
        meaning = _cell(f"{field.description}{_bounds(field)}")
        lines.append(f"| `{key}` | {_default(key, field)} | {meaning} |")
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    """Text for a table's cell; what stands between backticks is shown as it is."""
    return re.sub("(`[^`]*`)|<", lambda found: found[1] or "&lt;", text.replace("|", "\\|"))


def _default(key: str, field: FieldInfo) -> str:
    if field.is_required():
        return "(must be given)"
    if field.default is None:
        return "(none)"
    if key in SIZES:
        return f'`"{format_size(field.default)}"`'
    if isinstance(field.default, ServerTls):
        return "`{ verify = true }`"
    return f"`{toml(field.default)}`"


def _bounds(field: FieldInfo) -> str:
    """What is allowed, where it is a choice or a range."""
    if get_origin(field.annotation) is not None and not isinstance(field.annotation, types.UnionType):
        choices = [value for value in get_args(field.annotation) if isinstance(value, str)]
        if choices:
            return " One of " + ", ".join(f"`{choice}`" for choice in choices) + "."
    least = most = None
    for limit in field.metadata:
        least = getattr(limit, "ge", None) if least is None else least
        most = getattr(limit, "le", None) if most is None else most
    if least is not None and most is not None:
        return f" From {plain_number(least)} to {plain_number(most)}."
    return ""


def report_kinds() -> list[type[Report] | type[BindingReport]]:
    """Every report of publisher and consumers, in the order of the files."""
    return [
        kind
        for module in (reports, consumer_reports)
        for kind in vars(module).values()
        if isinstance(kind, type)
        and issubclass(kind, Report | BindingReport)
        and kind not in (Report, BindingReport)
    ]


def log_page() -> str:
    """The reference of all log events."""
    rows = []
    for kind in report_kinds():
        data = ", ".join(f"`{field.name}`" for field in dataclasses.fields(kind)[1:])
        meaning = " ".join((kind.__doc__ or "").split())
        rows.append(f"| {kind.__name__} | {_level(kind)} | {data} | {meaning} |")
    return _LOG_HEAD + "\n".join(rows) + "\n"


def _level(kind: type[Report] | type[BindingReport]) -> str:
    values: dict[str, Any] = {field.name: "" for field in dataclasses.fields(kind)}
    quiet = level_of(kind(**values))
    if kind in (JournalAlarm, CommandJournalAlarm, BusBlocked):
        return f"{level_of(kind('', 'full'))}, {quiet} when over"  # type: ignore[call-arg]
    return quiet


def actions_page() -> str:
    """The reference of all typed actions."""
    parts = [_ACTIONS_HEAD]
    for group in Group:
        parts.append(f"## {group.value}\n")
        for spec in ACTIONS.values():
            if spec.group is group:
                parts.append(_action(spec))
    return "\n".join(parts)


def _action(spec: ActionSpec) -> str:
    known = f" (Asterisk's `{spec.ami}`)" if spec.ami else ""
    lines = [f"### {spec.name}\n", f"{spec.about}{known}", ""]
    if spec.fields:
        lines += ["| field | meaning |", "|---|---|"]
        for name, field in spec.fields.items():
            meaning = _cell(field.about)
            lines.append(f"| `{name}`{' *' if field.required else ''} | {meaning} |")
        lines.append("")
    if needs := _needs(spec):
        lines += [f"Needed: {needs}.", ""]
    return "\n".join(lines)


def _needs(spec: ActionSpec) -> str:
    """The fields that must be given, in words."""
    pairs = {first: f"either `{first}` or `{second}`" for first, second in spec.one_of}
    needed = [
        pairs.get(name, f"`{name}`") for name, field in spec.fields.items() if field.required or name in pairs
    ]
    return ", ".join(needed[:-1]) + (" and " if needed[1:] else "") + "".join(needed[-1:])


def write() -> None:
    ACTIONS_PAGE.write_text(actions_page(), encoding="utf-8")
    SETTINGS_PAGE.write_text(settings_page(), encoding="utf-8")
    LOG_PAGE.write_text(log_page(), encoding="utf-8")


if __name__ == "__main__":
    write()
