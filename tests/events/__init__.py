"""The client of events: against the bus in memory, and against a real RabbitMQ."""
