"""What `amibus check` says of the bindings: each as it is understood."""

from __future__ import annotations

from publisher.command.bindings import definitions_of, described
from publisher.command.output import for_people, print_json, say
from publisher.configuration.settings import Settings


def show_bindings(settings: Settings) -> None:
    """Tell each binding as it will be served. Raises `ConfigurationError` where one is wrong."""
    for definition in definitions_of(settings):
        known = described(definition)
        if not for_people():
            print_json({"check": "binding", "ok": True, **known})
            continue
        say(f"binding {known['name']}: {known['on']} to {known['sink']}")
        say(f"  keys: {', '.join(known['keys'])}")
        if known["bound"] != known["keys"]:
            say(f"  on the bus, because of the filter: {', '.join(known['bound'])}")
        for part, value in known["filter"].items():
            say(f"  {part}: {value}")
        for option, value in known["options"].items():
            say(f"  {known['sink']} {option}: {value}")
        divided = f", {known['partitions']} partitions" if known["partitions"] else ""
        say(f"  {known['concurrency']} takes at once, of up to {known['at_once']} events{divided}")
