"""The sink `amqp`: events published to an exchange of a RabbitMQ, the bus's own or another."""
