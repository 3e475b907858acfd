"""Contextual Gesture (arXiv 2502.07239): stage I by tokens, speech -> poses. Built from the paper alone."""
