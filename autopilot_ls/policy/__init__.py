"""One policy over every approval: actions go in, verdicts come out.

Pure but for looking where paths lead: no editor, no agent's wire, no state of its own. `supervisor`
asks it, `model` is all it knows. Files are read and written by `load`, `remember` and `trust` only.
"""
