"""Optional parts of the program: what they are for and cost, whether they are here, and their installation.

The live view needs none of them. Each is an extra of ``pyproject.toml``, installed by pip or uv in a child process, so
that the running program goes on meanwhile and uses the part without a restart.
"""
