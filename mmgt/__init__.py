"""MMGT: speech and one photo to a moving person. Plain PyTorch; runs without ComfyUI.

Importing this package loads nothing heavy; every module imports its libraries when first used.
"""

__version__ = "0.1.0"
