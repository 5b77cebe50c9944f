"""A run's folder, its events and its history."""
