"""Which configuration a command works with, and which PBX of it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Final

import typer

from publisher.configuration.ami_url import pbx_of_url
from publisher.configuration.loading import FILE_NAME, load, load_environment
from publisher.configuration.pbx import PbxSettings
from publisher.configuration.settings import Settings
from publisher.errors import ConfigurationError

SECRET_VARIABLE: Final = "AMIBUS_SECRET"

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        help=f"The configuration [default: {FILE_NAME} here, else the environment alone].",
        envvar="AMIBUS_CONFIG",
        metavar="FILE",
        show_default=False,
    ),
]
PbxOption = Annotated[
    str | None,
    typer.Option(
        "--pbx",
        help=f"A PBX of the configuration, or ami://USER@HOST:5038 with the secret in {SECRET_VARIABLE}.",
        metavar="NAME|URL",
    ),
]


def load_settings(config: Path | None) -> Settings:
    """The settings of the file that is named, else of `amibus.toml` here, else of the environment.

    Raises `ConfigurationError`.
    """
    if config is not None:
        return load(config)
    here = Path(FILE_NAME)
    return load(here) if here.exists() else load_environment()


def pbx_of(url: str) -> PbxSettings:
    """The PBX of a URL, with the secret from the environment or asked for. Raises `ConfigurationError`."""
    secret = os.environ.get(SECRET_VARIABLE)
    if secret is None:
        if not os.isatty(0):
            raise ConfigurationError(
                f"the PBX's secret is missing: set the environment variable {SECRET_VARIABLE}"
            )
        secret = str(typer.prompt("Secret", hide_input=True, err=True))
    return pbx_of_url(url, secret)


def one_pbx(config: Path | None, wanted: str | None) -> PbxSettings:
    """The PBX that a command is to talk to: by URL, by name, or the only one. Raises `ConfigurationError`."""
    if wanted is not None and "://" in wanted:
        return pbx_of(wanted)
    pbxs = load_settings(config).pbx
    known = ", ".join(pbx.name for pbx in pbxs) or "none"
    if wanted is not None:
        for pbx in pbxs:
            if pbx.name == wanted:
                return pbx
        raise ConfigurationError(f"there is no PBX {wanted!r} in the configuration; there is: {known}")
    if len(pbxs) != 1:
        raise ConfigurationError(
            f"say which PBX with --pbx NAME or --pbx ami://…; in the configuration: {known}"
        )
    return pbxs[0]
