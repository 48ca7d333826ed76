"""The sink `webhook`: events posted as JSON to a URL."""
