"""`amibus schema`: the published contract, as files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from publisher.command.output import for_people, print_json, print_lines, say
from publisher.errors import PublisherError
from schemas import documents
from schemas.errors import UnknownDocument


def schema(
    document: Annotated[
        str | None,
        typer.Argument(help="The document to print; without it they are listed.", metavar="[NAME]"),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Write all documents into this folder.", metavar="DIR", file_okay=False),
    ] = None,
) -> None:
    """Print or export JSON Schemas, the AsyncAPI document and the golden vectors.

    \b
    amibus schema                      list what there is
    amibus schema event.schema.json    print one document
    amibus schema --out contract       write them all into a folder
    """
    if out is not None:
        _export(out, document)
    elif document is not None:
        print_lines([_read(document).encode()])
    else:
        for name, meaning in documents.names().items():
            if for_people():
                say(f"{name:28} {meaning}")
            else:
                print_json({"name": name, "meaning": meaning})


def _read(name: str) -> str:
    try:
        return documents.read(name)
    except UnknownDocument as error:
        raise typer.BadParameter(str(error)) from error


def _export(folder: Path, only: str | None) -> None:
    names = [only] if only is not None else list(documents.names())
    for name in names:
        text = _read(name)
        path = folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise PublisherError(f"{path} cannot be written: {error.strerror}") from error
        if for_people():
            say(str(path))
        else:
            print_json({"name": name, "path": str(path)})
