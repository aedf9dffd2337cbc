"""The Open Inference Protocol, version 2, over gRPC, before an endpoint that speaks it over HTTP."""

from serve.rpc.messages import SERVICE, message
from serve.rpc.server import Rpc

__all__ = ["SERVICE", "Rpc", "message"]
