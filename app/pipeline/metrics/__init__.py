"""Metrics of the running paths: pixel and pose differences, latency, and the report of a session."""
