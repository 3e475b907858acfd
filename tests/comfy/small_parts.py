"""A VAE and an image encoder of core's shapes that need no file: what stage II's nodes see of them."""

import torch


class SmallVAE:
    """Latents are means over 8 x 8 px: what a VAE's callers see of it."""

    latent_channels = 4

    def encode(self, pixels):
        small = torch.nn.functional.avg_pool2d(pixels.movedim(-1, 1) * 2 - 1, 8)
        return torch.cat([small, small[:, :1]], dim=1)

    def decode(self, latents):
        return torch.nn.functional.interpolate(latents[:, :3] / 2 + 0.5, scale_factor=8).movedim(1, -1).clamp(0, 1)


class SmallClip:
    width = 24

    def encode_image(self, image):
        answer = type("Output", (), {})()
        answer.image_embeds = image.flatten()[: self.width][None].clone()
        return answer
