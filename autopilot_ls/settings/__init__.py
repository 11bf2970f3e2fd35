"""Settings: one tree of values, and how it is put together from what the user says where.

`tree` is the tree with its descriptions and its JSON Schema, `loading` merges the environment and
what an editor sends into one. Not aware of any editor or agent; it stands on `model` only, and
`supervisor` and everything above it reads the result.

Nothing is imported here: the language server answers `initialize` before it needs settings.
"""
