"""MM-HAA (Motion-Masked Hierarchical Audio Attention): stage II, poses + speech + photo -> video. arXiv 2505.23120.

Attribute names are the authors' state-dict keys (diffusers' names of SD-1.5), so files load without a key map. Frames
are the batch throughout: [(R F), C, h, w] with R guidance rows (without, with speech and photo) of F frames each.
"""
