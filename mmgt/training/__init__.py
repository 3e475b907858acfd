"""Learning both stages: losses, optimisers, data, runs.

It imports the networks; only the command line and its benches import it.
"""
