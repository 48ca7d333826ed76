"""The consumers put together: definitions, their filters and sinks, the set of bindings that is served."""
