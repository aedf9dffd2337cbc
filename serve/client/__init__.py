"""A client of the endpoint: DataFrames in and out, retries within a deadline, typed errors."""

from serve.client.frames import Columns, Forecasts
from serve.client.http import AsyncClient, Client
from serve.client.retries import RetryPolicy

__all__ = ["AsyncClient", "Client", "Columns", "Forecasts", "RetryPolicy"]
