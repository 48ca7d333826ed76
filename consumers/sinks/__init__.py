"""The sinks that come with ami-bus, and how sinks are found (see `consumers.plugin` for what a sink is)."""
