"""RabbitMQ as the consumers' bus (`source.RabbitSource`). `driver` alone imports the AMQP library."""
