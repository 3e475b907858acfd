"""What stage II begins from: every tensor has a place, and what a file lacks begins as new."""

import diffusers.loaders.single_file_utils as diffusers_keys
import pytest
import torch
from safetensors.torch import save_file
from video_sets import NARROW

from mmgt.errors import InputError
from mmgt.mmhaa.network import authors_state
from mmgt.training.new_networks import MMHAASizes, build, new_mmhaa
from mmgt.training.start import StartFiles, start_networks, unet_tensors
from mmgt.weights.files import Checkpoint


def networks(seed):
    return new_mmhaa(NARROW, seed, with_video=True)


@pytest.fixture
def unet(tmp_path):
    """A UNet without motion and audio, as Stable Diffusion's is published."""
    own = ("pose_guider.", "audioproj.")
    tensors = {
        key: tensor.contiguous()
        for key, tensor in networks(1).video_network.state_dict().items()
        if not key.startswith(own) and "motion_modules" not in key and "audio_modules" not in key
    }
    path = tmp_path / "unet.safetensors"
    save_file(tensors, path)
    return path, tensors


def test_both_unets_begin_from_one_and_the_rest_as_new(unet):
    path, tensors = unet
    begun, new = networks(2), networks(2)
    start_networks(begun, StartFiles(unet=path))
    for name in ("reference_unet", "video_network"):
        state, untouched = getattr(begun, name).state_dict(), getattr(new, name).state_dict()
        for key, tensor in state.items():
            assert torch.equal(tensor, tensors[key] if key in tensors else untouched[key]), key
    assert any(key not in tensors for key in begun.video_network.state_dict())


def test_a_unet_that_lacks_a_tensor_is_named(unet, tmp_path):
    path, tensors = tmp_path / "less.safetensors", dict(unet[1])
    del tensors["conv_in.weight"]
    save_file(tensors, path)
    with pytest.raises(InputError, match=r"1 missing \(conv_in.weight\).*of the same widths"):
        start_networks(networks(2), StartFiles(unet=path))


def test_motion_modules_alone(tmp_path):
    tensors = {
        key: tensor.contiguous()
        for key, tensor in networks(1).video_network.state_dict().items()
        if ".motion_modules." in key
    }
    path = tmp_path / "motion.safetensors"
    save_file(tensors, path)
    begun, new = networks(2), networks(2).video_network.state_dict()
    start_networks(begun, StartFiles(motion=path))
    begun = begun.video_network.state_dict()
    assert tensors
    assert all(torch.equal(begun[key], tensors.get(key, new[key])) for key in begun)


def test_motion_and_hearing_of_an_earlier_process_2_with_a_newer_process_1(tmp_path):
    """All of the picture comes from one file, all of motion and speech from the other."""
    pictures, videos = (new_mmhaa(NARROW, seed, with_video=seed == 2) for seed in (1, 2))
    paths = tmp_path / "image.safetensors", tmp_path / "video.safetensors"
    for networks_of, path in zip((pictures, videos), paths, strict=True):
        states = networks_of.reference_unet.state_dict(), networks_of.video_network.state_dict()
        save_file({key: tensor.contiguous() for key, tensor in authors_state(*states).items()}, path)
    begun = networks(3)
    start_networks(begun, StartFiles(networks=paths[0], motion=paths[1]))
    image, video = pictures.video_network.state_dict(), videos.video_network.state_dict()
    state = begun.video_network.state_dict()
    assert set(image) < set(state)
    assert all(torch.equal(state[key], image[key] if key in image else video[key]) for key in state)


def stable_diffusion(widths, layers, cross_width, latent_channels=4):
    """Names and shapes of a UNet in Stable Diffusion's own layout, counted as its authors build it; on meta."""
    shapes, time_width = {}, 4 * widths[0]

    def weights(name, *shape):
        shapes[f"{name}.weight"], shapes[f"{name}.bias"] = shape, shape[:1]

    def resnet(name, entering, leaving):
        weights(f"{name}.in_layers.0", entering)
        weights(f"{name}.in_layers.2", leaving, entering, 3, 3)
        weights(f"{name}.emb_layers.1", leaving, time_width)
        weights(f"{name}.out_layers.0", leaving)
        weights(f"{name}.out_layers.3", leaving, leaving, 3, 3)
        if entering != leaving:
            weights(f"{name}.skip_connection", leaving, entering, 1, 1)

    def transformer(name, width):
        for part in ("norm", *(f"transformer_blocks.0.norm{i}" for i in (1, 2, 3))):
            weights(f"{name}.{part}", width)
        for part in ("proj_in", "proj_out"):
            weights(f"{name}.{part}", width, width, 1, 1)
        for attention, memory in (("attn1", width), ("attn2", cross_width)):
            block = f"{name}.transformer_blocks.0.{attention}"
            for part, entering in (("to_q", width), ("to_k", memory), ("to_v", memory)):
                shapes[f"{block}.{part}.weight"] = (width, entering)
            weights(f"{block}.to_out.0", width, width)
        weights(f"{name}.transformer_blocks.0.ff.net.0.proj", 8 * width, width)
        weights(f"{name}.transformer_blocks.0.ff.net.2", width, 4 * width)

    weights("time_embed.0", time_width, widths[0])
    weights("time_embed.2", time_width, time_width)
    weights("input_blocks.0.0", widths[0], latent_channels, 3, 3)
    number, now, skips = 1, widths[0], [widths[0]]
    for level, width in enumerate(widths):
        for _ in range(layers):
            resnet(f"input_blocks.{number}.0", now, width)
            if level < 3:
                transformer(f"input_blocks.{number}.1", width)
            number, now, skips = number + 1, width, [*skips, width]
        if level < 3:
            weights(f"input_blocks.{number}.0.op", width, width, 3, 3)
            number, skips = number + 1, [*skips, width]
    resnet("middle_block.0", now, now)
    transformer("middle_block.1", now)
    resnet("middle_block.2", now, now)
    number = 0
    for level, width in reversed(list(enumerate(widths))):
        for layer in range(layers + 1):
            resnet(f"output_blocks.{number}.0", now + skips.pop(), width)
            if level < 3:
                transformer(f"output_blocks.{number}.1", width)
            if level and layer == layers:
                weights(f"output_blocks.{number}.{2 if level < 3 else 1}.conv", width, width, 3, 3)
            number, now = number + 1, width
    weights("out.0", widths[0])
    weights("out.2", latent_channels, widths[0], 3, 3)
    return {f"model.diffusion_model.{name}": torch.empty(shape, device="meta") for name, shape in shapes.items()}


def test_a_whole_checkpoint_in_stable_diffusions_layout(tmp_path):
    """Names against diffusers' own conversion; then a file of it, with the text encoder and the VAE that it holds."""
    theirs = stable_diffusion(NARROW.widths, NARROW.layers_per_block, NARROW.image_channels)
    whole = {name: torch.full(tensor.shape, float(i % 97)) for i, (name, tensor) in enumerate(theirs.items())}
    config = {"layers_per_block": NARROW.layers_per_block, "class_embed_type": None, "addition_embed_type": None}
    expected = diffusers_keys.convert_ldm_unet_checkpoint(dict(whole), config)
    tensors = unet_tensors(whole)
    assert tensors.keys() == expected.keys()
    assert all(torch.equal(tensors[key], expected[key]) for key in expected)
    path = tmp_path / "v1-5.safetensors"
    save_file({**whole, "first_stage_model.x": torch.zeros(1), "cond_stage_model.x": torch.zeros(1)}, path)
    begun = networks(2)
    start_networks(begun, StartFiles(unet=path))
    for name in ("reference_unet", "video_network"):
        state = getattr(begun, name).state_dict()
        assert all(torch.equal(state[key], expected[key]) for key in state if key in expected)
        assert "mid_block.resnets.1.conv2.weight" in state


def test_the_full_sized_layouts_fit(tmp_path, monkeypatch):
    """SD-1.5's 686 tensors and a ControlNet's eye into the published networks; only shapes, as the files are 4 GB."""
    begun, theirs = build(MMHAASizes(), True, "meta"), stable_diffusion((320, 640, 1280, 1280), 2, 768)
    assert len(theirs) == 686
    opened = {"unet": theirs, "controlnet": {f"controlnet_cond_embedding.{k}": v for k, v in eye(begun).items()}}
    monkeypatch.setattr(
        "mmgt.training.start.open_checkpoint", lambda path, _advice: Checkpoint(path, opened[path.stem], {})
    )
    start_networks(begun, StartFiles(unet=tmp_path / "unet", controlnet=tmp_path / "controlnet"))


def eye(of):
    return of.video_network.pose_guider.state_dict()


@pytest.mark.parametrize("layout", ["diffusers", "its own"])
def test_a_controlnets_eye(tmp_path, layout):
    """All but its output, which stays zero; the rest of the ControlNet is left."""
    begun, theirs = networks(2), eye(networks(1))
    assert "blocks.5.weight" in theirs
    if layout == "diffusers":
        file = {f"controlnet_cond_embedding.{key}": tensor for key, tensor in theirs.items()}
        rest = {"controlnet_mid_block.weight": torch.zeros(1)}
    else:
        layers = ["conv_in", *(f"blocks.{i}" for i in range(6)), "conv_out"]
        file = {
            f"control_model.input_hint_block.{2 * i}.{part}": theirs[f"{layer}.{part}"]
            for i, layer in enumerate(layers)
            for part in ("weight", "bias")
        }
        rest = {"control_model.zero_convs.0.0.weight": torch.zeros(1), "cond_stage_model.x": torch.zeros(1)}
    path = tmp_path / "openpose.safetensors"
    save_file({key: tensor.contiguous() for key, tensor in {**file, **rest}.items()}, path)
    start_networks(begun, StartFiles(controlnet=path))
    for key, tensor in eye(begun).items():
        assert torch.equal(tensor, torch.zeros_like(tensor) if key.startswith("conv_out") else theirs[key]), key


def test_a_file_of_something_else_is_named(tmp_path):
    path = tmp_path / "lora.safetensors"
    save_file({"lora_unet_down.lora_down.weight": torch.zeros(2, 2)}, path)
    for start in (
        StartFiles(unet=path),
        StartFiles(motion=path),
        StartFiles(controlnet=path),
        StartFiles(networks=path),
    ):
        with pytest.raises(InputError, match="a LoRA"):
            start_networks(networks(2), start)
