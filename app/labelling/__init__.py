"""Labels of recorded sessions: worked out over the whole session, better than what was seen live. Knows no window."""
