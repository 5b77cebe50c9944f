"""The keys of a training recipe, and their checks."""
