"""What a model must show before it goes live, in a process of its own."""

from serve.admission.policy import OPERATORS, AdmissionError, AdmissionReport, CheckResult, Policy
from serve.admission.process import admit
from serve.admission.record import ensure

__all__ = ["OPERATORS", "AdmissionError", "AdmissionReport", "CheckResult", "Policy", "admit", "ensure"]
