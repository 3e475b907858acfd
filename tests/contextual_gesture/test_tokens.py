"""Residual quantisation against a restatement and against the library that learns it."""

import torch
from tiny_contextual import TINY, tiny_contextual

from mmgt.contextual_gesture.config import CHANNELS, PARTS, TokensConfig
from mmgt.contextual_gesture.tokens import Tokenizer


def tokenizer_of(codebooks):
    num_layers, num_codes, width = codebooks.shape
    tokenizer = Tokenizer("face", TokensConfig(width, 1, num_layers, num_codes))
    tokenizer.codebooks.data.copy_(codebooks)
    return tokenizer.eval().requires_grad_(False)


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_each_layer_takes_the_nearest_to_what_is_left():
    tokenizer, latents = tokenizer_of(random(4, 12, 8)), random(2, 5, 8, seed=1)
    tokens = tokenizer.quantise(latents)
    for b in range(2):
        for t in range(5):
            left, total = latents[b, t].double(), torch.zeros(8, dtype=torch.float64)
            for layer in range(4):
                distances = [float((left - code.double()).square().sum()) for code in tokenizer.codebooks[layer]]
                assert int(tokens[b, t, layer]) == min(range(12), key=distances.__getitem__)
                code = tokenizer.codebooks[layer, tokens[b, t, layer]].double()
                left, total = left - code, total + code
            torch.testing.assert_close(tokenizer.lookup(tokens)[b, t].double(), total, atol=1e-5, rtol=0)
    torch.testing.assert_close(tokenizer.lookup(tokens[..., :1]), tokenizer.codebooks[0][tokens[..., 0]])


def test_codes_are_equal_to_the_bit_after_decoding_and_encoding():
    """Where a layer's codes lie further apart than all layers above reach, what was looked up is found again."""
    reach = 0.05
    books = [torch.eye(16) * 2 * reach**layer for layer in range(4)]
    tokenizer = tokenizer_of(torch.stack(books))
    tokens = torch.randint(16, (3, 40, 4), generator=torch.Generator().manual_seed(0))
    assert torch.equal(tokenizer.quantise(tokenizer.lookup(tokens)), tokens)


def test_the_library_finds_the_same_codes():
    from vector_quantize_pytorch import ResidualVQ

    torch.manual_seed(0)
    library = ResidualVQ(dim=16, num_quantizers=6, codebook_size=64, kmeans_init=True)
    library(random(4, 80, 16))  # k-means
    library.eval()
    latents = random(8, 80, 16, seed=1)
    quantised, tokens, _ = library(latents)
    tokenizer = tokenizer_of(library.codebooks.detach())
    assert torch.equal(tokenizer.quantise(latents), tokens)
    torch.testing.assert_close(tokenizer.lookup(tokens), quantised)
    torch.testing.assert_close(tokenizer.lookup(tokens), library.get_output_from_indices(tokens))


def test_one_token_a_frame_near_and_of_any_length():
    model = tiny_contextual()
    for part in PARTS:
        tokenizer = model.tokenizer(part)
        motion = 0.03 * random(1, 50, CHANNELS[part])
        tokens = tokenizer.encode(motion)
        assert tokens.shape == (1, 50, TINY.tokens.num_layers)
        assert tokenizer.encode(motion[:, :1]).shape == (1, 1, TINY.tokens.num_layers)
        whole = tokenizer.decode(tokens)
        assert whole.shape == motion.shape
        changed = tokens.clone()
        changed[0, 40] = (changed[0, 40] + 1) % TINY.tokens.num_codes
        difference = (tokenizer.decode(changed) - whole).abs().amax(dim=-1)[0]
        assert difference[40] > 0
        assert difference[:30].max() == 0  # no stride, no attention: a token reaches a few frames only
