"""What people are shown: pure functions from snapshots to text and small views.

Not aware of editors, of the Language Server Protocol, of a clock or of the disk. Secrets are left out
by a `redact` function that the caller passes. `lsp` and `cli` stand above, `model` below.
"""
