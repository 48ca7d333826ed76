"""Real RabbitMQ and Redis servers for a test run, and a TCP proxy that breaks connections on demand."""
