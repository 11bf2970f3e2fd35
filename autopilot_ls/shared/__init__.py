"""The shared process: one for each user, which owns the sessions while editors come and go.

`forwarder` is what an editor starts: it carries bytes between standard input and output and a socket.
`daemon` is at the other end: it serves each connection as a language server would. `places`, `greeting` and
`peers` are what both agree on. `cli` and `__main__` stand above, `lsp` below.
"""
