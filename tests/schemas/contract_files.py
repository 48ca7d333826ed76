"""The documents of the contract that are made from the code: `make reference` writes them anew."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from schemas.command_documents import command_schema, reply_schema
from schemas.documents import COMMAND_SCHEMA, REPLY_SCHEMA

DOCUMENTS = {COMMAND_SCHEMA: command_schema, REPLY_SCHEMA: reply_schema}


def file_text(document: Any) -> str:
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"


if __name__ == "__main__":
    package = Path(__file__).parents[2] / "schemas"
    for name, made in DOCUMENTS.items():
        (package / name).write_text(file_text(made()), encoding="utf-8")
