"""What the transformers of stage I are made of: attention and feed-forward layers.

Letters: L tokens, M tokens that are attended to, D width, "..." any leading axes.
"""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from .ops import attend_of

KeysValues = tuple[Tensor, Tensor]  # of an attention, before the split into heads


class Attention(nn.Module):
    """Multi-head attention without masks: softmax(q k / sqrt(D / heads)) v.

    memory_width: of what is attended to (None: the queries' width).
    """

    def __init__(self, width: int, num_heads: int, ops: Any, memory_width: int | None = None, **kw: Any) -> None:
        super().__init__()
        self.num_heads, self.attend = num_heads, attend_of(ops)
        self.query = ops.Linear(width, width, **kw)
        self.key = ops.Linear(memory_width or width, width, **kw)
        self.value = ops.Linear(memory_width or width, width, **kw)
        self.output = ops.Linear(width, width, **kw)

    def keys_values(self, keys: Tensor, values: Tensor) -> KeysValues:
        """Both projected, [..., M, D]; they differ where keys carry positions and values do not."""
        return self.key(keys), self.value(values)

    def forward(self, queries: Tensor, memory: KeysValues) -> Tensor:
        """[..., L, D] -> [..., L, D]; queries of one row serve a memory of several."""
        queries = queries.expand(*memory[0].shape[:-2], *queries.shape[-2:])
        q, k, v = (rearrange(t, "... l d -> (...) l d") for t in (self.query(queries), *memory))
        return self.output(self.attend(q, k, v, self.num_heads).reshape(queries.shape))


class FeedForward(nn.Module):
    def __init__(self, width: int, hidden: int, ops: Any, **kw: Any) -> None:
        super().__init__()
        self.expand = ops.Linear(width, hidden, **kw)
        self.contract = ops.Linear(hidden, width, **kw)

    def forward(self, y: Tensor) -> Tensor:
        return self.contract(F.gelu(self.expand(y)))
