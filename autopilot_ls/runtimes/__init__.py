"""The agents: one package for each, and the protocol they all implement (`base`).

A runtime is the only place that knows its agent's wire. It is not aware of sessions, policy, records
or editors. `supervisor` stands above, `wire` and `model` below.
"""
