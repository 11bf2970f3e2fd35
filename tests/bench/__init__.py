"""`make bench`: what Autopilot costs, beside what others cost in the same run on the same machine.

Not shipped in the wheel. Measures from outside through real pipes wherever it can; `pipeline` alone looks
inside. Every program that is measured stands on the package and on what is in this folder.
"""
