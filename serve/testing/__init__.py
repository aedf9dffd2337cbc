"""Conformance suites and small pipelines, shipped for people who add their own parts."""
