"""Pose tracks changed as data: fitted to another person, edited per region, combined. No network, no seed."""
