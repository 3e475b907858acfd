"""Learning both stages: losses, optimisers, data, runs. It imports the networks; nothing imports it but the command line."""
