"""For the scripts that run in ComfyUI's own interpreter: a video of random numbers that a tiny MODEL draws."""

import torch


def draw(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def small_video(model, num_frames, window, overlap=1, speech=(3, 12), **options):
    """A Video of 64 x 64 px for a MODEL of Load MM-HAA Model; speech: layers and channels, as in ``tiny.py``."""
    from mmgt_pack.mmgt.mmhaa.drive import Drive
    from mmgt_pack.mmgt.mmhaa.masks import EvenMasks
    from mmgt_pack.mmgt.mmhaa.network import Photo
    from mmgt_pack.mmgt.mmhaa.pictures import PictureSize
    from mmgt_pack.mmgt.mmhaa.sample import Video, VideoOptions
    from mmgt_pack.nodes import host

    size, kind = PictureSize(64, 64), model.model.compute_dtype
    reader, device = host.on_device(model.get_attachment("mmgt_photo_reader").reference, 0)
    token = draw(1, 1, model.model.network.config.image_channels).to(device, kind)
    latents = draw(1, 4, *size.latent_shape).to(device, kind)
    photo = Photo(reader.read_photo(latents, token), token).to(torch.empty(0, dtype=kind))
    pictures = draw(num_frames, 3, size.canvas_height_px, size.canvas_width_px)
    drive = Drive(num_frames, size, lambda at: pictures[list(at)], EvenMasks(size), draw(num_frames, *speech))
    return Video(photo, drive, VideoOptions(window, overlap, **options))
