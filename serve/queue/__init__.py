"""Queue inference: requests go in at one end, forecasts come out at the other, whoever dies meanwhile."""

from serve.queue.base import Backend, DeadLetter, QueueFullError, QueueOptions, QueueRecord, QueueTask, replicas_for
from serve.queue.ends import InputQueue, OutputQueue, open_queue
from serve.queue.worker import QueueWorker, WorkerOptions

__all__ = [
    "Backend",
    "DeadLetter",
    "InputQueue",
    "OutputQueue",
    "QueueFullError",
    "QueueOptions",
    "QueueRecord",
    "QueueTask",
    "QueueWorker",
    "WorkerOptions",
    "open_queue",
    "replicas_for",
]
