"""Looking through a session's labels: filters, decisions, corrections. Knows no window."""
