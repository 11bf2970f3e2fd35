"""The vocabulary that all layers share: ids, items, events, approvals, errors and state.

Pure data and pure functions: no input or output, no asyncio, no knowledge of any agent's wire or of
the Language Server Protocol. Nothing stands below; every other package may import it.
"""
