"""Reviewing a session's labels: filters, decisions, corrections. Does not use Qt."""
