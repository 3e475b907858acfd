"""A world to learn in: drawn-up presenters, synthetic voices, gestures by rules. Exact, ours, and nobody's data."""
