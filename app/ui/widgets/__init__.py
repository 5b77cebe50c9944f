"""Widgets and helpers that panels are built from."""
