"""Tensors in the tests are tiny: a second thread costs more than it brings, most of all on a busy machine."""

import torch

torch.set_num_threads(1)
