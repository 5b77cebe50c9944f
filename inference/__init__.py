"""Shipped networks at work, and what is computed from their answers."""
