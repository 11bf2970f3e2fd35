"""The record of every session on disk: written before anything is acted upon, read back exactly.

`store` is the way in. Not aware of agents, editors or policies: it keeps raw frames as bytes and the
normalized events of `model.events` as JSON lines. Stands on `settings` and `model`; the supervisor
and the command line use it.
"""
