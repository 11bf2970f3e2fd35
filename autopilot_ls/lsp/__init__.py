"""The language server: the only user of pygls and lsprotocol.

Shows what the supervisor's sessions do through standard LSP and takes a person's decisions from it. The
command line stands above and starts it; the supervisor stands below and knows nothing of editors. Nothing
is imported here: an editor waits for the start.
"""
