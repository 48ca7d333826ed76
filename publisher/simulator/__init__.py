"""A PBX for tests and demonstrations: replays recorded bytes or makes up calls."""
