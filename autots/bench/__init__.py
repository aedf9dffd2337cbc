"""Figures, measured: accuracy beside published scores, and what a fit costs in time and memory."""
