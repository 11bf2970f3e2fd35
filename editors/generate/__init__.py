"""Generates what the editors' clients know of the server: types, names, settings.

Reads `schemas/` only, so that a client says what the server says. `python -m editors.generate` writes,
`--check` compares. Not aware of how a client uses it.
"""
