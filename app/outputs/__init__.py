"""Hands on their way out of the program, live, for other programs: ``docs/streaming.md`` has the schema."""
