"""The commented example is current, and every key in it is true."""

from __future__ import annotations

import re
from pathlib import Path

from publisher.configuration.example import EXAMPLE_FILE, example_text, write_example
from publisher.configuration.loading import load, parse
from publisher.configuration.pbx import PbxSettings
from publisher.configuration.policy import ClientSettings, PolicySettings
from publisher.configuration.section import Section, TlsSettings
from publisher.configuration.settings import BindingSettings, Settings

ROOT = Path(__file__).parents[2]


def test_the_example_in_deploy_is_the_generated_one() -> None:
    current = (ROOT / EXAMPLE_FILE).read_text(encoding="utf-8")
    assert current == example_text(), "run: python -m publisher.configuration.example"


def test_the_example_loads_with_its_secret_beside_it(tmp_path: Path) -> None:
    file, secret = tmp_path / "amibus.toml", tmp_path / "amibus.secret"
    write_example(file)
    secret.write_text("s")
    secret.chmod(0o600)
    settings = load(file, {})
    assert [pbx.name for pbx in settings.pbx] == ["main"]
    assert settings.pbx[0].read_secret() == "s"
    assert settings.bus == Settings().bus  # type: ignore[call-arg]
    assert settings.binding == []


def test_every_default_in_the_example_is_the_real_one() -> None:
    """With the comment marks taken from all lines that hold a default, nothing changes."""
    kept: list[str] = []
    choice = False
    for line in example_text().splitlines():
        # What stands under a table that is commented out belongs to nobody.
        choice = line.startswith("# [[") or (choice and not line.startswith("["))
        match = re.match(r"# (\w+) = ", line)
        without_default = {"secret_file", "secret_env", "secret", "url_file", "url_env", "audit_dir", "name"}
        if choice:
            continue
        if match and match[1] not in without_default and "ca_file" not in line:
            kept.append(line[2:])
        elif line.startswith("[") and "]" in line:
            kept.append(line)
    text = "\n".join(kept).replace("[[pbx]]", '[[pbx]]\nsecret = "s"')
    shown = parse(text, Path("amibus.toml"))
    default = parse('[[pbx]]\nsecret = "s"\n', Path("amibus.toml"))
    assert shown.model_dump() == default.model_dump()


def test_every_setting_is_in_the_example_and_says_what_it_is_for() -> None:
    text = example_text()
    models: list[type[Section]] = [PbxSettings, BindingSettings, ClientSettings, TlsSettings]
    for field in Settings.model_fields.values():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            models.append(field.annotation)
    for model in models:
        assert model.__doc__
        for key, field in model.model_fields.items():
            assert field.description, f"{model.__name__}.{key} has no description"
            if model is PolicySettings and key == "client":
                continue
            assert re.search(rf"\b{key} = ", text), f"{model.__name__}.{key} is not in the example"
