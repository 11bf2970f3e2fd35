"""The command line: `run`, `sessions`, `doctor`, `schema` and `demo`.

The top layer. It composes the others and talks to a person through a terminal, or to a program through
JSON on standard output. Nothing stands above but `__main__`; nobody imports it.
"""
