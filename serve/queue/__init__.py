"""Queue inference: requests go in at one end, forecasts come out at the other, whoever dies meanwhile."""

from serve.queue.base import Backend, DeadLetter, QueueFullError, QueueOptions, Record, Task, replicas_for
from serve.queue.ends import InputQueue, OutputQueue, open_queue
from serve.queue.worker import Worker, WorkerOptions

__all__ = [
    "Backend",
    "DeadLetter",
    "InputQueue",
    "OutputQueue",
    "QueueFullError",
    "QueueOptions",
    "Record",
    "Task",
    "Worker",
    "WorkerOptions",
    "open_queue",
    "replicas_for",
]
