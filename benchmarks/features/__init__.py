"""Figures of the feature pipelines: `zoo bench features`."""
