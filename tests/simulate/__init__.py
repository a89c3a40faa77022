"""The whole flow in a world of its own: one number decides everything that happens in it.

The recorder and the deliverer are the real ones, and so are the statements of the store, on a database in memory. Time,
disk, network, receivers, operators and death are made up from a seed. `python -m tests.simulate SEED` plays one again,
with all that happened.
"""
