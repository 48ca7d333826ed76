"""Commands for PBXs from a microservice (see `consumers.commands.client`)."""

from consumers.commands.client import CommandClient
from consumers.commands.patience import Patience
from consumers.commands.sent import Progress, SentCommand
from consumers.commands.view import QueuedView
from consumers.errors import IdInUse, NoReplyYet, QueueFull, QueueRefused, QueueUnreachable
from schemas.errors import CommandError
from schemas.reply import Reply, State

__all__ = [
    "CommandClient",
    "CommandError",
    "IdInUse",
    "NoReplyYet",
    "Patience",
    "Progress",
    "QueueFull",
    "QueueRefused",
    "QueueUnreachable",
    "QueuedView",
    "Reply",
    "SentCommand",
    "State",
]
