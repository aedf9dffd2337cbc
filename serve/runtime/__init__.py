"""A pipeline behind the wire: models in memory, their state, batches of requests, reloads."""
