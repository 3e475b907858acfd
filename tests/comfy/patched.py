"""Runs in ComfyUI's own process and interpreter: stage II under core's nodes that change a MODEL. Prints facts as JSON.

`python patched.py COMFYUI REPOSITORY CHECKPOINT SMALLER`; ``test_patched.py`` calls it and checks the facts. SMALLER is
what is compiled.
"""

import inspect
import json
import sys
from pathlib import Path

COMFYUI, REPOSITORY, CHECKPOINT, SMALLER = sys.argv[1:]
sys.argv = [sys.argv[0], "--cpu"]
sys.path[:0] = [COMFYUI]

import comfy.options

comfy.options.enable_args_parsing()

import comfy.hooks
import comfy.ops
import torch
import torch._dynamo as dynamo
from comfy_api.torch_helpers import set_torch_compile_wrapper
from comfy_extras import nodes_context_windows
from load_pack import load_pack

load_pack(REPOSITORY)

from mmgt_pack.mmgt.mmhaa.sample import VideoRun
from mmgt_pack.nodes import host
from mmgt_pack.nodes.host.sampling import VideoModel
from small_video import draw, small_video

torch.set_num_threads(1)  # tiny tensors
NUM_FRAMES = 5


def sample(model, positive):
    video = positive[0][1]["mmgt_video"].video
    latent = {"samples": torch.zeros(NUM_FRAMES, 4, *video.drive.size.latent_shape)}
    sigmas = host.schedule(model, "euler", host.TRAILING, 4)
    return host.sample(model, positive, host.conditioning(video, False), latent, 3, 3.5, "euler", sigmas)["samples"]


def difference(a, b):
    return float((a - b).abs().max() / b.abs().max())


def sentence(run):
    """The error that a call ends in."""
    try:
        run()
    except Exception as error:  # the tests read which
        return f"{type(error).__name__}: {error}"
    return "no error"


def check_hooks(model, video):
    """A LoRA that acts from 30 % of the schedule on, against runs that keep nothing from one step to the next."""
    key = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_k"
    weight = model.model.diffusion_model.get_parameter(f"{key}.weight")
    name = "lora_unet_" + key.replace(".", "_")
    lora = {f"{name}.lora_up.weight": draw(len(weight), 2), f"{name}.lora_down.weight": draw(2, weight.shape[1])}
    hooks, keyframes = comfy.hooks.create_hook_lora(lora, 1.0, 0.0), comfy.hooks.HookKeyframeGroup()
    keyframes.add(comfy.hooks.HookKeyframe(strength=0.0, start_percent=0.0))
    keyframes.add(comfy.hooks.HookKeyframe(strength=1.0, start_percent=0.3))
    hooks.set_keyframes_on_hooks(keyframes)
    plain = host.conditioning(video, True)
    scheduled = comfy.hooks.set_hooks_for_conditioning(plain, hooks)
    with_lora, without = sample(model, scheduled), sample(model, plain)
    real = VideoModel._run_of
    VideoModel._run_of = lambda self, video: VideoRun(self.network, video)
    expected = sample(model, scheduled)
    VideoModel._run_of = real
    facts["hooks"] = {"acts": difference(with_lora, without), "off": difference(with_lora, expected)}
    facts["hooks"]["undone"] = difference(sample(model, plain), without)


def check_context_windows(model, video):
    given = ("standard_static", 2, 1, 1, False, "pyramid", 0)
    names = ("context_schedule", "context_length", "context_overlap", "context_stride", "closed_loop", "fuse_method")
    settings = dict(zip((*names, "dim"), given, strict=True))
    execute = nodes_context_windows.ContextWindowsManualNode.execute
    if "freenoise" in inspect.signature(execute).parameters:  # newer
        settings["freenoise"] = False
    changed = execute(model, **settings).args[0]
    facts["context_windows"] = sentence(lambda: sample(changed, host.conditioning(video, True)))
    x, sigma = torch.zeros(2, 4, *video.drive.size.latent_shape), torch.ones(2)
    part = host.conditioning(video, True)[0][1]["mmgt_video"]
    facts["cut"] = sentence(lambda: model.model.apply_model(x, sigma, mmgt_video=part))


def check_casts(model, video):
    """How many layers of a run cast their weights, as computed in the weights' own dtype and in another."""
    for layer in ("Linear", "Conv2d", "GroupNorm", "LayerNorm"):
        assert issubclass(getattr(host.OPERATIONS, layer), getattr(comfy.ops.disable_weight_init, layer))
    network, calls = model.model.network, []
    casting = [module for module in network.modules() if hasattr(module, "comfy_cast_weights")]
    for module in casting:
        real = module.forward_comfy_cast_weights
        module.forward_comfy_cast_weights = lambda *x, real=real: (calls.append(1), real(*x))[1]
    x = draw(NUM_FRAMES, 4, *video.drive.size.latent_shape)
    own = VideoRun(network, video).predict(x, 500.0)
    facts["casts"] = [len(calls)]
    network.half()
    cast = VideoRun(network, video).predict(x, 500.0)
    facts["casts"] += [len(calls) // len(casting), difference(cast, own)]
    network.float()
    for module in casting:
        del module.forward_comfy_cast_weights


def check_compiled(model, video):
    """Graphs and breaks of core's TorchCompileModel, but for code that nothing makes faster, and what it changes."""
    facts["compiled"] = {}
    for weights in ("as computed", "cast"):
        if weights == "cast":
            model.model.network.half()
        expected = sample(model, host.conditioning(video, True))
        compiled = model.clone()
        set_torch_compile_wrapper(model=compiled, backend="eager")
        dynamo.utils.counters.clear()
        got = sample(compiled, host.conditioning(video, True))
        counted = dynamo.utils.counters
        breaks = sum(counted["graph_break"].values())
        facts["compiled"][weights] = [counted["stats"]["unique_graphs"], breaks, difference(got, expected)]


with torch.inference_mode():
    facts: dict = {}
    model = host.load_photo_and_video_model(Path(CHECKPOINT), "fp32")
    video = small_video(model, NUM_FRAMES, window=4)
    check_hooks(model, video)
    check_context_windows(model, video)
    check_casts(model, video)
    smaller = host.load_photo_and_video_model(Path(SMALLER), "fp32")
    check_compiled(smaller, small_video(smaller, NUM_FRAMES, window=4))
print(json.dumps(facts))
