"""Baselines: what a workspace's files are at a moment, and exactly what changed since.

`baselines` is the way in, `values` what comes out; `hunks` makes reviewable hunks of two contents.
The rest is their inside: a private git directory (`repository`, `listing`, `objects`), reading a work
tree that may be hostile (`reading`, `ignores`), and what is known of files whose content is not kept
(`watched`, `notices`). Not aware of sessions, turns, agents or editors.
"""
