"""Proposed changes of files: read, checked, promised, settled, restored.

Pure functions on bytes and hunks (`unified`, `convert`, `promise`), and blocking ones that look at or
change the disk (`snapshot`, `check`, `settle`), which a caller in an event loop runs in a thread. Not
aware of any agent's wire, of the policy, or of editors. `model` stands below, `supervisor` above.
"""
