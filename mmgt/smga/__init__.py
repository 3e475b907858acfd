"""SMGA (Spatial Mask-Guided Audio2Pose): stage I, speech -> poses. arXiv 2505.23120, section III."""
