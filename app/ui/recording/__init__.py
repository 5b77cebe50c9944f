"""Recording sessions and listing them."""
