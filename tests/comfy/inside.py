"""Runs in ComfyUI's own process and interpreter: stage II under core's samplers. Prints one JSON object of facts.

`python inside.py COMFYUI REPOSITORY CHECKPOINT GOLDEN_OR_- COMFYUI_ARGUMENTS...`; ``test_sampling.py`` calls it and
checks the facts.
"""

import json
import sys
from pathlib import Path

COMFYUI, REPOSITORY, CHECKPOINT, GOLDEN, *arguments = sys.argv[1:]
sys.argv = [sys.argv[0], *arguments]
sys.path[:0] = [COMFYUI]

import comfy.options

comfy.options.enable_args_parsing()

import comfy.model_base
import comfy.model_management
import comfy.sample
import comfy.sd
import nodes as core
import numpy as np
import torch
from comfy_extras import nodes_custom_sampler as custom
from load_pack import load_pack
from safetensors import safe_open

load_pack(REPOSITORY)

from mmgt_pack.mmgt.diffusion import Parametrisation
from mmgt_pack.mmgt.mmhaa.drive import Drive
from mmgt_pack.mmgt.mmhaa.network import Photo
from mmgt_pack.mmgt.mmhaa.pictures import PictureSize
from mmgt_pack.mmgt.mmhaa.sample import Video, VideoOptions, VideoRun
from mmgt_pack.mmgt.mmhaa.unet import UNet
from mmgt_pack.nodes import host, mmhaa, video
from small_parts import SmallClip, SmallVAE


class Count:
    """Counts the calls of a method while it goes on working."""

    def __init__(self, owner, name):
        self.calls, self.owner, self.name, self.real = 0, owner, name, getattr(owner, name)
        count = self

        def counted(*args, **kwargs):
            count.calls += 1
            return count.real(*args, **kwargs)

        setattr(owner, name, counted)

    def stop(self):
        setattr(self.owner, self.name, self.real)
        return self.calls


def sentence(run):
    """The error that a call ends in."""
    try:
        run()
    except BaseException as error:  # the tests read which; core's interrupt is no Exception since 0.20
        return f"{type(error).__name__}: {error}"
    return "no error"


def difference(a, b):
    return float((a - b).abs().max() / b.abs().max())


torch.set_num_threads(1)  # tiny tensors
facts: dict = {}
generator = torch.Generator().manual_seed(0)
NUM_FRAMES = 14
photo = torch.rand(1, 37, 101, 4, generator=generator)  # RGBA, and no multiple of anything
pictures = torch.rand(NUM_FRAMES, 64, 96, 3, generator=generator)
vae, clip = SmallVAE(), SmallClip()


def given(**more):
    sizes = {"width": 72, "height": 56, "full_strength": 1.0, "face_strength": 1.0, "lips_strength": 2.0}
    options = {"window": 8, "overlap": 2, "looped": False}
    speed = {"guidance_start": 0.0, "guidance_end": 1.0, "reuse_every": 1}
    return {
        "vae": vae,
        "clip_vision": clip,
        "image": photo,
        "pose_pictures": pictures,
        **sizes,
        **options,
        **speed,
        **more,
    }


def video_sampler(model, **more):
    settings = {"seed": 3, "steps": 2, "cfg": 3.5, "sampler_name": "euler", "scheduler": "karras", "denoise": 1.0}
    return mmhaa.MMHAAVideoSampler.execute(model, **{**settings, **given(), **more}).args[0]


def ksampler(model, positive, negative, latent, name="euler", cfg=3.5):
    return core.KSampler().sample(model, 3, 2, cfg, name, "karras", positive, negative, latent)[0]["samples"]


def check_samplers(model):
    readings = Count(UNet, "read_photo")
    _, positive, negative, latent = mmhaa.MMHAAConditioning.execute(model, **given()).args
    facts["latent_shape"] = list(latent["samples"].shape)
    by_core = ksampler(model, positive, negative, latent)
    by_us = video_sampler(model)
    facts["ksampler_equals_ours"] = difference(by_us["samples"], by_core)
    other_seed = video_sampler(model, seed=4)["samples"]
    facts["seeds_differ"] = difference(other_seed, by_core)
    facts["photo_readings"] = readings.stop()
    facts["runs_left"] = len(model.model.runs)
    facts["finite"] = {
        name: bool(torch.isfinite(ksampler(model, positive, negative, latent, name)).all())
        for name in ("euler", "dpmpp_2m", "uni_pc", "lcm", "ddim", "heun", "dpmpp_sde")
    }
    advanced = core.KSamplerAdvanced().sample(
        model, "enable", 3, 2, 3.5, "euler", "karras", positive, negative, latent, 0, 10000, "disable"
    )[0]["samples"]
    facts["advanced_equals_ksampler"] = difference(advanced, by_core)
    sigmas = host.schedule(model, "euler", "karras", 2)
    guider = custom.CFGGuider().get_guider(model, positive, negative, 3.5)[0]
    noise = custom.RandomNoise().get_noise(3)[0]
    sampler = custom.KSamplerSelect().get_sampler("euler")[0]
    by_custom = custom.SamplerCustomAdvanced().sample(noise, guider, sampler, sigmas, latent)[0]["samples"]
    facts["custom_equals_ksampler"] = difference(by_custom, by_core)
    by_sockets = video_sampler(model, sampler=sampler, sigmas=sigmas, steps=9, sampler_name="lcm")["samples"]
    facts["sockets_override"] = difference(by_sockets, by_core)
    zeroed = core.ConditioningZeroOut().zero_out(positive)[0]
    facts["zero_out_is_negative"] = difference(ksampler(model, positive, zeroed, latent), by_core)
    check_trailing(model)
    facts["one_step"] = bool(torch.isfinite(video_sampler(model, steps=1, scheduler=host.TRAILING)["samples"]).all())
    facts["denoise_0_keeps"] = difference(video_sampler(model, latent=by_us, denoise=0.0)["samples"], by_core)
    refined = core.KSampler().sample(model, 3, 2, 3.5, "euler", "karras", positive, negative, by_us, 0.5)[0]["samples"]
    ours = video_sampler(model, latent=by_us, denoise=0.5)["samples"]
    facts["refined_equals_ksampler"], facts["refined_differs"] = difference(ours, refined), difference(ours, by_core)
    images, made = video.DecodeVideo.execute(by_us, vae, 25.0).args
    facts["decoded_shape"], facts["video_size"] = list(images.shape), list(made.get_dimensions())


def check_trailing(model):
    """Which timesteps the network is told, and at which noise levels, against the authors' formulas."""
    sampling = model.get_model_object("model_sampling")
    facts["told_at_every_level"] = sampling.timestep(sampling.sigmas).tolist()
    facts["told_between_levels"] = sampling.timestep((sampling.sigmas[332:334] * sampling.sigmas[333]).sqrt()).tolist()
    facts["trailing"] = {}
    for steps, denoise in ((3, 1.0), (25, 1.0), (30, 1.0), (10, 0.4), (30, 0.01)):
        sigmas = mmhaa.TrailingSigmas.execute(model, steps, denoise).args[0]
        levels = [int((sampling.sigmas - sigma).abs().argmin()) for sigma in sigmas[:-1]]
        off = (sigmas[:-1] / sampling.sigmas[levels] - 1).abs().max()
        told = sampling.timestep(sigmas[:-1]).tolist()
        facts["trailing"][f"{steps} {denoise}"] = [told, levels, float(off), float(sigmas[-1])]
    other = comfy.model_base.model_sampling(model.model.model_config, comfy.model_base.ModelType.V_PREDICTION)
    patched = model.clone()
    patched.add_object_patch("model_sampling", other)
    facts["trailing_of_another"] = mmhaa.TrailingSigmas.execute(patched, 3, 1.0).args[0].tolist()
    facts["trailing_of_another_expected"] = [*other.sigmas[[999, 666, 332]].tolist(), 0.0]


def check_parametrisations():
    """A network whose metadata says what it predicts, in place of which the true answer is given: is x0 found?"""
    import tempfile

    from safetensors.torch import load_file, save_file

    path, facts["parametrisations"] = Path(tempfile.mkdtemp()) / "net.safetensors", {}
    with safe_open(CHECKPOINT, "pt") as file:
        config = json.loads(file.metadata()["config"])
    real = VideoRun.predict
    for prediction, schedule in (("v", "scaled_linear"), ("epsilon", "linear"), ("epsilon", "scaled_linear")):
        learned = {"prediction": prediction, "schedule": schedule}
        save_file(load_file(CHECKPOINT), path, {"config": json.dumps({**config, **learned})})
        model = host.load_photo_and_video_model(path, "fp32")
        alpha_bar = Parametrisation(prediction, schedule).alpha_bar
        x0 = torch.randn(14, 4, 8, 16, generator=torch.Generator().manual_seed(0))

        def predict(self, latents, timestep, rows, where="", x0=x0, alpha_bar=alpha_bar, prediction=prediction):
            level = alpha_bar[int(timestep)]
            epsilon = (latents - level.sqrt() * x0) / (1 - level).sqrt()
            answer = epsilon if prediction == "epsilon" else (level.sqrt() * latents - x0) / (1 - level).sqrt()
            return answer[None].expand(len(rows), *answer.shape)

        VideoRun.predict = predict
        sampled = video_sampler(model, steps=4)["samples"]
        VideoRun.predict = real
        facts["parametrisations"][f"{prediction} {schedule}"] = difference(model.model.process_latent_in(sampled), x0)


def check_student():
    """Nodes take a student's steps without being told; what it was not distilled for is said once, and runs."""
    import logging
    import tempfile

    from safetensors.torch import load_file, save_file

    path, said = Path(tempfile.mkdtemp()) / "net.safetensors", []
    with safe_open(CHECKPOINT, "pt") as file:
        config = json.loads(file.metadata()["config"])
    save_file(load_file(CHECKPOINT), path, {"config": json.dumps({**config, "student_steps": 2})})
    model = host.load_photo_and_video_model(path, "fp32")
    listener = logging.Handler(logging.WARNING)
    listener.emit = lambda record: said.append(record.getMessage()) if "student" in record.getMessage() else None
    logging.getLogger("mmgt").addHandler(listener)
    as_set = {"sampler_name": "ddim", "scheduler": host.TRAILING}
    told = video_sampler(model, steps=2, cfg=1.0, **as_set)["samples"]
    by_windows = video_sampler(model, steps=2, cfg=1.0, window=12, overlap=3, **as_set)["samples"]
    sigmas = mmhaa.TrailingSigmas.execute(model, 30, 1.0).args[0]
    _, positive, negative, latent = mmhaa.MMHAAConditioning.execute(model, **given()).args
    guider = custom.CFGGuider().get_guider(model, positive, negative, 1.0)[0]
    noise, sampler = custom.RandomNoise().get_noise(3)[0], custom.KSamplerSelect().get_sampler("ddim")[0]
    facts["student_untold"] = [
        difference(video_sampler(model, steps=30, cfg=3.5, **as_set)["samples"], told),
        difference(video_sampler(model, preset="student", **as_set)["samples"], by_windows),
        difference(custom.SamplerCustomAdvanced().sample(noise, guider, sampler, sigmas, latent)[0]["samples"], told),
    ]
    facts["student_said_at_first"] = list(said)
    facts["student_misused"] = bool(torch.isfinite(video_sampler(model, steps=3, cfg=2.0, **as_set)["samples"]).all())
    facts["student_said"] = said
    logging.getLogger("mmgt").removeHandler(listener)


def check_cost(model):
    rows = []
    real = VideoRun.predict
    VideoRun.predict = lambda self, x, t, rows_=(), *a, **k: (
        rows.append(list(rows_)),
        real(self, x, t, rows_, *a, **k),
    )[1]
    video_sampler(model, cfg=1.0)
    facts["rows_at_cfg_1"] = rows[:]
    rows.clear()
    video_sampler(model)
    facts["rows_guided"] = rows[:]
    VideoRun.predict = real
    rows.clear()
    by_name = video_sampler(model, preset="fast", steps=1, cfg=1.0, sampler_name="lcm", window=3, reuse_every=7)[
        "samples"
    ]
    by_hand = {"sampler_name": "dpmpp_2m", "scheduler": host.TRAILING, "steps": 12, "window": 12, "overlap": 4}
    by_hand = video_sampler(model, **by_hand, guidance_end=0.8, reuse_every=2)["samples"]
    facts["fast_equals_its_parts"] = difference(by_name, by_hand)
    calls = Count(model.model.diffusion_model, "forward")
    video_sampler(model, guidance_end=0.0)
    facts["windows_of_two_steps"] = calls.stop()
    _, positive, _, latent = mmhaa.MMHAAConditioning.execute(model, **given()).args
    shapes = model.model.extra_conds_shapes(**positive[0][1])
    short = model.model.memory_required(
        [2 * NUM_FRAMES, *latent["samples"].shape[1:]], {k: [v] for k, v in shapes.items()}
    )
    long = model.model.memory_required([2000, *latent["samples"].shape[1:]], {"mmgt_video": [[1000, 8]]})
    facts["memory_long_over_short"] = long / short


def check_cancel(model):
    network, calls = model.model.diffusion_model, []
    real = network.forward

    def interrupted(*args, **kwargs):
        calls.append(1)
        if len(calls) == 2:
            comfy.model_management.interrupt_current_processing()
        return real(*args, **kwargs)

    network.forward = interrupted
    facts["cancel"] = sentence(lambda: video_sampler(model, steps=20))
    del network.forward
    facts["windows_before_cancel"], facts["runs_left_after_cancel"] = len(calls), len(model.model.runs)


def check_errors(model):
    _, positive, negative, latent = mmhaa.MMHAAConditioning.execute(model, **given()).args
    short = {"samples": latent["samples"][:5]}
    text = [[torch.zeros(1, 77, 768), {}]]
    area = core.ConditioningSetArea().append(positive, 32, 32, 0, 0, 1.0)[0]
    other_vae, other_clip, bare = SmallVAE(), SmallClip(), type("Patcher", (), {"model": torch.nn.Linear(1, 1)})()
    other_vae.latent_channels, other_clip.width = 16, 20
    facts["errors"] = {
        "frames": sentence(lambda: ksampler(model, positive, negative, short)),
        "text": sentence(lambda: ksampler(model, positive, text, latent)),
        "area": sentence(lambda: ksampler(model, area, negative, latent)),
        "vae": sentence(lambda: video_sampler(model, vae=other_vae)),
        "clip": sentence(lambda: video_sampler(model, clip_vision=other_clip)),
        "model": sentence(lambda: video_sampler(bare)),
        "no frames": sentence(lambda: video_sampler(model, pose_pictures=pictures[:0])),
        "nothing": sentence(lambda: video_sampler(model, pose_pictures=None)),
        "masks": sentence(lambda: video_sampler(model, face=torch.ones(3, 8, 8), lips=torch.ones(3, 8, 8))),
        "one mask": sentence(lambda: video_sampler(model, face=torch.ones(1, 8, 8))),
        "overlap": sentence(lambda: video_sampler(model, overlap=8)),
        "decode": sentence(lambda: video.DecodeVideo.execute(latent, other_vae, 25.0)),
    }
    facts["one_frame"] = list(video_sampler(model, pose_pictures=pictures[:1])["samples"].shape)


def check_lora(model):
    """A LoRA for SD-1.5 in diffusers' names acts as if it had been added to the weights."""
    key = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q.weight"
    weight = model.model.diffusion_model.get_parameter(key)
    up, down = (torch.randn(*shape, generator=generator) for shape in ((weight.shape[0], 2), (2, weight.shape[1])))
    name = "lora_unet_" + key.removesuffix(".weight").replace(".", "_")
    lora = {f"{name}.lora_up.weight": up, f"{name}.lora_down.weight": down, f"{name}.alpha": torch.tensor(2.0)}
    plain = video_sampler(model)["samples"]
    patched, _ = comfy.sd.load_lora_for_models(model, None, lora, 1.0, 0)
    with_lora = video_sampler(patched)["samples"]
    facts["lora_acts"] = difference(with_lora, plain)
    facts["lora_is_undone"] = difference(video_sampler(model)["samples"], plain)
    weight.data += up @ down
    facts["lora_equals_added"] = difference(video_sampler(model)["samples"], with_lora)
    weight.data -= up @ down

    fresh = host.load_photo_and_video_model(Path(CHECKPOINT), "auto")  # loaded by hand here: no other run may have it
    patched, _ = comfy.sd.load_lora_for_models(fresh, None, lora, 1.0, 0)
    _, positive, _, latent = mmhaa.MMHAAConditioning.execute(fresh, **given()).args
    noise = torch.randn(latent["samples"].shape, generator=generator)
    predicted = []
    for memory in (0, 100_000):  # all weights loaded; most cast and patched when their layer runs
        patched.patch_model(device_to=torch.device("cpu"), lowvram_model_memory=memory)
        facts["layers_patched_late"] = patched.lowvram_patch_counter()
        predicted.append(VideoRun(patched.model.network, positive[0][1]["mmgt_video"].video).predict(noise, 500.0))
        patched.unpatch_model()
    facts["partly_loaded_equals_loaded"] = difference(*predicted)


def check_attention(model, plain):
    """Core's attention computes, so that its flags act, and an override of another node is asked."""
    heads = []

    def override(attention, queries, keys, values, num_heads, **more):
        heads.append(num_heads)
        return attention(queries, keys, values, num_heads, **more)

    patched = model.clone()
    patched.model_options["transformer_options"]["optimized_attention_override"] = override
    facts["overridden_attention"] = difference(video_sampler(patched)["samples"], plain)
    facts["attention_overrides"] = len(heads)
    video_sampler(model)
    facts["attention_overrides_left"] = len(heads) - facts["attention_overrides"]


def check_dtypes(plain):
    facts["dtypes"] = {}
    for name in ("fp16", "bf16", "fp8_e4m3fn"):
        model = host.load_photo_and_video_model(Path(CHECKPOINT), name)
        kinds = {str(parameter.dtype) for parameter in model.model.diffusion_model.parameters()}
        facts["dtypes"][name] = [sorted(kinds), difference(video_sampler(model)["samples"], plain)]


def check_fp16_intermediates(model):
    """Pictures, masks and latents as core makes them under --fp16-intermediates, against the same in float32."""
    size = (NUM_FRAMES, 64, 96)
    inputs = {"image": photo, "pose_pictures": pictures, "face": torch.ones(size), "lips": torch.ones(size) / 2}
    halves = {name: tensor.half() for name, tensor in inputs.items()}
    plain = video_sampler(model, **{name: tensor.float() for name, tensor in halves.items()})
    latent = video_sampler(model, **halves)
    facts["fp16_inputs"] = difference(latent["samples"].float(), plain["samples"])
    halved = {**plain, "samples": plain["samples"].half()}
    facts["fp16_decoded"] = difference(
        *(video.DecodeVideo.execute(latent, vae, 25.0).args[0].float() for latent in (halved, plain))
    )
    if hasattr(comfy.model_management, "intermediate_dtype"):  # older cores draw other noise beside a float16 latent
        rounded = {**plain, "samples": halved["samples"].float()}
        facts["fp16_refined"] = difference(
            *(video_sampler(model, latent=latent, denoise=0.5)["samples"].float() for latent in (halved, rounded))
        )


def check_golden():
    sys.path[:0] = [REPOSITORY, str(Path(REPOSITORY) / "tests" / "parity")]
    import os
    import tempfile

    os.environ["MMGT_GOLDEN"] = GOLDEN
    import recipe
    from safetensors.torch import load_file, save_file

    folder = Path(GOLDEN) / "stage2" if (Path(GOLDEN) / "stage2").is_dir() else Path(GOLDEN)
    meta = json.loads((folder / "net_tiny.json").read_text())
    weights = {k: torch.from_numpy(np.array(v)) for k, v in recipe.state_dict(meta["shapes"], meta["seed"]).items()}
    heads = meta["unet_config"]["attention_head_dim"]
    motion_heads = meta["unet_additional_kwargs"]["motion_module_kwargs"]["num_attention_heads"]
    path = Path(tempfile.mkdtemp()) / "net.safetensors"
    save_file(weights, path, {"config": json.dumps({"num_heads": heads, "motion_heads": motion_heads})})
    model = host.load_photo_and_video_model(path, "fp32")
    network = model.model.diffusion_model
    network.pose_guider = torch.nn.Identity()  # the file holds the guider's output, and no pictures

    golden = load_file(folder / "pipeline.safetensors")
    with safe_open(folder / "pipeline.safetensors", "pt") as file:
        settings = json.loads(file.metadata()["config"])
    poses = golden["pose_features"][0].transpose(0, 1)
    masks = [
        torch.stack([golden[f"mask_{name}_l{level}"] for name in ("full", "face", "lip")])
        for level in range(network.num_mask_levels)
    ]
    reference = model.get_attachment("mmgt_photo_reader").reference.model
    features = reference.read_photo(golden["ref_latents"], golden["clip_embeds"])
    drive = Drive(
        num_frames=settings["frames"],
        size=PictureSize(settings["height"], settings["width"]),
        pictures=lambda frames: poses[list(frames)],
        masks=lambda frames: tuple(level[:, list(frames)] for level in masks),
        speech=golden["audio_emb"],
        strengths=tuple(settings["motion_scale"]),
    )
    options = VideoOptions(settings["context_frames"], settings["context_overlap"], looped=True)
    made = Video(Photo(features, golden["clip_embeds"]), drive, options)
    noise = golden["initial_noise"][0].transpose(0, 1)
    comfy.sample.prepare_noise = lambda *_args, **_kwargs: noise.clone()
    latents = host.sample(
        model,
        host.conditioning(made, True),
        host.conditioning(made, False),
        {"samples": torch.zeros_like(noise)},
        0,
        settings["guidance_scale"],
        "ddim",
        host.schedule(model, "ddim", host.TRAILING, settings["steps"]),
    )["samples"]
    expected = golden["latents_steps"][-1][0].transpose(0, 1)
    error = model.model.process_latent_in(latents) - expected
    facts["golden_rms"], facts["golden_max"] = float((error**2).mean().sqrt()), float(error.abs().max())


with torch.inference_mode():
    tiny = host.load_photo_and_video_model(Path(CHECKPOINT), "auto")
    check_samplers(tiny)
    check_parametrisations()
    check_student()
    check_cost(tiny)
    check_cancel(tiny)
    check_errors(tiny)
    check_lora(tiny)
    check_attention(tiny, video_sampler(tiny)["samples"])
    check_dtypes(video_sampler(tiny)["samples"])
    check_fp16_intermediates(tiny)
    if GOLDEN != "-":
        check_golden()
print(json.dumps(facts))
