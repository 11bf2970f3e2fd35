"""The sole owner of state: sessions, the approval broker, recovery.

It alone appends events and applies them; everybody else gets snapshots or sends a command. Not aware
of the Language Server Protocol or of any agent's wire. `lsp` and `cli` stand above; the runtimes, the
policy, the trace and the edits below are joined only here.
"""
