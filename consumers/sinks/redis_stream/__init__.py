"""The sink `redis-stream`: events added to a stream of a Redis."""
