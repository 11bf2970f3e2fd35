"""One file for each feature of the protocol.

Each knows its feature and the supervisor's values; none knows another's inside. `view` joins them.
"""
