"""The sink `jsonl`: a file with a line of JSON an event."""
