"""The commands that this tenant adds to ``zoo``: texts only, so that ``zoo --help`` imports nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["COMMANDS", "JOURNALS"]

JOURNALS: Mapping[str, str] = {
    "routing": "serve.routing.journal:RoutingCodec",
    "actuals": "serve.runtime.journal:ActualsCodec",
}

COMMANDS: Mapping[str, tuple[str, str, str]] = {
    "serve": (
        "serve.commands.serve:serve",
        "Serve a run as an HTTP endpoint, on an embedded Ray or on the cluster.",
        "POST /v1/forecast answers with calibrated quantiles, equal to pipeline.predict; /v1/observe takes actuals; "
        "/v2, /invocations, /metrics, /openapi.json and /docs are there.\n\n"
        "Again with the same --name and another run replaces the version without a failed request.",
    ),
    "serve status": (
        "serve.commands.status:status",
        "Show what is served: models, versions, replicas.",
        "Those of this machine, and with RAY_ADDRESS those of that cluster, whoever deployed them.",
    ),
    "serve stop": (
        "serve.commands.status:stop",
        "Stop an endpoint that runs detached, or on the cluster at RAY_ADDRESS.",
        "Requests under way are answered first.",
    ),
    "serve queue": (
        "serve.commands.queue:queue",
        "Forecast what is in a queue: Redis Streams, or a file of this machine.",
        "serve.queue.InputQueue sends requests in the form of POST /v1/forecast, serve.queue.OutputQueue reads the "
        "answers. Requests of workers that die are given to others.\n\n"
        "The model is checked as by `zoo serve`.",
    ),
}
