"""RabbitMQ as the publisher's bus (`bus.RabbitBus`). `driver` alone imports the AMQP library."""
