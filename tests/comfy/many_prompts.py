"""Many prompts in one server: `python tests/comfy/many_prompts.py [PROMPTS] [SEED]` (default: 200 0), Linux only.

The bundled graphs, small and with other settings each time, are queued ten at once in the ComfyUI that `comfyui.py`
finds. One in ten means nothing, in the ways of ``WRONG``; one in ten is cancelled: interrupted while it runs, or taken
off the queue. All others must succeed, each of them must end as it should, and the first prompt, queued again at the
end, must give the same frames. The server's resident memory is read after each. Prints what happened so far after each
ten, as JSON.
"""

import json
import os
import random
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), *(str(ROOT / "tests" / folder) for folder in ("", "mmhaa", "contextual_gesture"))]
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import soundfile
from comfyui import Server, outputs_of, started
from graphs import GRAPHS, decoded, nodes_of, prompt_of, video_of, with_shipped
from PIL import Image
from small_networks import write_small_networks
from tiny_contextual import save_tiny_contextual

from mmgt.assets import ASTRONAUT, ASTRONAUT_POSE, PRESENTER, PRESENTER_POSE, SPEECH
from mmgt.media import read_recording, write_video
from mmgt.pose_files import load_poses, save_poses

SIDE_PX, PHOTO_PX, AT_ONCE = 64, 128, 10
PEOPLE = {"astronaut": (ASTRONAUT, ASTRONAUT_POSE), "presenter": (PRESENTER, PRESENTER_POSE)}
SPEECH_S = (0.4, 0.6, 1.0)
VALID, WRONG_ONE, INTERRUPTED, DELETED = "valid", "wrong", "interrupted", "taken off the queue"


@dataclass(frozen=True)
class Queued:
    name: str
    prompt: dict
    fate: str
    words: str = ""  # of what is wrong


def write_inputs(base: Path) -> None:
    """Small random networks; for each person a photo, a film, poses; speech; a photo and a recording of nothing."""
    folder = base / "input"
    (folder / "gestures").mkdir(parents=True, exist_ok=True)
    write_small_networks(base / "models", SIDE_PX)
    save_tiny_contextual(base / "models" / "mmgt" / "contextual_gesture.safetensors")
    speech = read_recording(SPEECH)
    for seconds in SPEECH_S:
        soundfile.write(folder / f"{seconds}.wav", speech.samples[0, : round(seconds * speech.rate_hz)], speech.rate_hz)
    for name, (photo, poses) in PEOPLE.items():
        picture = np.array(Image.open(photo).convert("RGB").resize((PHOTO_PX, PHOTO_PX), Image.Resampling.BOX))
        still = load_poses(poses).sized(PHOTO_PX, PHOTO_PX)
        Image.fromarray(picture).save(folder / f"{name}.png")
        write_video(folder / f"{name}.mp4", [picture] * 12, 25.0, read_recording(folder / "0.4.wav"))
        save_poses(still.at([0] * 15), folder / f"{name}.json")
        save_poses(still.at([0] * 30), folder / "gestures" / f"{name}.json")
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(folder / "nobody.png")
    (folder / "damaged.wav").write_bytes(noise.tobytes())


def drawn(server: Server, name: str, draws: random.Random) -> dict:
    """A bundled graph at a small size, with settings by chance."""
    person, seconds = draws.choice(list(PEOPLE)), draws.choice(SPEECH_S)
    prompt = with_shipped(prompt_of(server, name), f"{person}.png", f"{seconds}.wav", f"{person}.mp4", 2 * SIDE_PX)
    for node in prompt.values():
        for given, value in node["inputs"].items():
            if given in ("seed", "noise_seed") and not isinstance(value, list):
                node["inputs"][given] = draws.randrange(2**32)
    for kind in ("MMGT_MMHAAVideoSampler", "MMGT_Ablations"):
        for sampler in nodes_of(prompt, kind):
            sampler.update(preset="as set here", steps=draws.randint(1, 3), cfg=draws.choice((1.0, 2.5)))
    for kind in ("MMGT_SMGAAudio2PoseSampler", "MMGT_SMGAResample"):
        for sampler in nodes_of(prompt, kind):
            sampler.update(steps=draws.randint(2, 8), guidance=draws.choice((1.0, 2.0)))
    for preview in nodes_of(prompt, "MMGT_PreviewMotion"):
        preview["long_side"] = draws.choice((64, 96, 128))
    for poses in nodes_of(prompt, "MMGT_LoadPoses"):
        poses["file"] = f"{person}.json"
    for found in nodes_of(prompt, "MMGT_FindGesturesForSpeech"):
        found["folder"] = "gestures"
    return prompt


def set_in(kind: str, **values) -> Callable[[dict], None]:
    return lambda prompt: nodes_of(prompt, kind)[0].update(values)


def renamed(prompt: dict) -> None:
    for node in prompt.values():
        node["class_type"] = node["class_type"].replace("MMGT_DecodeVideo", "MMGT_NoSuchNode")


def without_speech(prompt: dict) -> None:
    del nodes_of(prompt, "MMGT_SMGAAudio2PoseSampler")[0]["speech"]


def still_as_poses(prompt: dict) -> None:
    (sampler,), (smga,) = (nodes_of(prompt, f"MMGT_{kind}") for kind in ("MMHAAVideoSampler", "SMGAAudio2PoseSampler"))
    sampler["poses"] = smga["initial_pose"]


def vae_as_poses(prompt: dict) -> None:
    (sampler,) = nodes_of(prompt, "MMGT_MMHAAVideoSampler")
    sampler["poses"] = sampler["vae"]


def latents_of_another_kind(prompt: dict) -> None:
    prompt["other"] = {"class_type": "EmptySD3LatentImage", "inputs": {"width": 64, "height": 64, "batch_size": 3}}
    nodes_of(prompt, "MMGT_DecodeVideo")[0]["latent"] = ["other", 0]


def mask_of_another_shape(prompt: dict) -> None:
    prompt["wide"] = {"class_type": "SolidMask", "inputs": {"value": 1.0, "width": 64, "height": 20}}
    sides = {"left": 8, "top": 0, "right": 0, "bottom": 0}
    prompt["uneven"] = {"class_type": "FeatherMask", "inputs": {"mask": ["wide", 0], **sides}}
    nodes_of(prompt, "MMGT_MMHAAVideoSampler")[0]["face"] = ["uneven", 0]


# What is done to a graph, and the words that say so: of core and of the checks before anything runs, then of nodes.
WRONG = (
    ("start_here", renamed, "MMGT_NoSuchNode"),
    ("start_here", without_speech, "Required input is missing"),
    ("start_here", set_in("MMGT_SMGAAudio2PoseSampler", steps=0), "smaller than min"),
    ("start_here", set_in("MMGT_LoadMMHAAModel", mmhaa="gone.pth"), "there is no file 'gone.pth'"),
    ("start_here", set_in("MMGT_MMHAAVideoSampler", overlap=12), "less than the window of 12 frames"),
    ("start_here", vae_as_poses, "received_type\\(VAE\\)"),
    ("long_speech", set_in("MMGT_DecodeVideoToFile", filename_prefix="../away"), "outside of ComfyUI's output folder"),
    ("long_speech", set_in("MMGT_SMGAResample", keep_seconds="soon"), "soon"),
    ("preview_from_saved_poses", set_in("MMGT_LoadPoses", file="../secret.json"), "outside|no file"),
    ("start_here", set_in("LoadImage", image="nobody.png"), "no pose detector"),
    ("start_here", set_in("MMGT_LoadSMGAModel", smga="mmhaa_tiny.safetensors"), "is the MMGT video network"),
    ("start_here", still_as_poses, "there is one frame of poses"),
    ("start_here", latents_of_another_kind, "this VAE decodes"),
    ("start_here", mask_of_another_shape, "it would be squeezed"),
    ("preview_from_speech", set_in("LoadAudio", audio="damaged.wav"), "."),
    ("compare_ways_to_poses", set_in("MMGT_FindGesturesForSpeech", folder="nothing"), "there is no pose file"),
    ("compare_ways_to_poses", set_in("MMGT_ContextualGestureSampler", speaker="nobody"), "learned no speaker"),
)


def planned(server: Server, num_prompts: int, draws: random.Random) -> list[Queued]:
    """All prompts in the order in which they are queued; none of the first of ten waits to be taken off."""
    few = max(1, num_prompts // 20)
    names, plan = [path.stem for path in GRAPHS], []
    for at in range(2 * few):
        name, change, words = WRONG[at * (len(WRONG) // (2 * few) + 1) % len(WRONG)]
        prompt = drawn(server, name, draws)
        change(prompt)
        plan.append(Queued(name, prompt, WRONG_ONE, words))
    for _ in range(few):
        prompt = drawn(server, "start_here", draws)
        nodes_of(prompt, "MMGT_MMHAAVideoSampler")[0].update(steps=200, cfg=2.5)
        plan.append(Queued("start_here", prompt, INTERRUPTED))
        name = draws.choice(names)
        plan.append(Queued(name, drawn(server, name, draws), DELETED))
    first = draws.randrange(len(names))
    for at in range(num_prompts - len(plan)):
        name = names[(first + at) % len(names)]
        plan.append(Queued(name, drawn(server, name, draws), VALID))
    draws.shuffle(plan)
    firsts = [at for at in range(0, num_prompts, AT_ONCE) if plan[at].fate == DELETED]
    for at in firsts:
        other = next(i for i in range(at + 1, num_prompts) if plan[i].fate != DELETED and i % AT_ONCE)
        plan[at], plan[other] = plan[other], plan[at]
    return plan


def is_running(server: Server, prompt_id: str) -> bool:
    return any(item[1] == prompt_id for item in server.get("/queue")["queue_running"])


def how_it_ended(server: Server, queued: Queued, prompt_id: str, draws: random.Random) -> str:
    """What became of a prompt that waits, or runs; an interrupted one is interrupted here."""
    if queued.fate == INTERRUPTED:
        while not is_running(server, prompt_id):
            time.sleep(0.5)
        time.sleep(draws.uniform(0, 2))
        server.cancel(prompt_id)
    history = server.wait(prompt_id)
    if any(name == "execution_interrupted" for name, _ in history["status"]["messages"]):
        return INTERRUPTED
    try:
        outputs_of(history)
    except RuntimeError as error:
        return str(error)
    return VALID


def run_ten(server: Server, plan: list[Queued], draws: random.Random) -> tuple[list[str], list[float]]:
    """How each of the prompts ended that are queued at once, and the memory after each that ran."""
    ids, ended, memory = [], [], []
    for queued in plan:
        try:
            ids.append(server.queue(queued.prompt))
        except RuntimeError as error:
            ids.append(f"refused: {error}")
    for queued, prompt_id in zip(plan, ids, strict=True):
        if queued.fate == DELETED:
            server.forget(prompt_id)
    for queued, prompt_id in zip(plan, ids, strict=True):
        if prompt_id.startswith("refused"):
            ended.append(prompt_id)
        elif queued.fate != DELETED:
            ended.append(how_it_ended(server, queued, prompt_id, draws))
            memory.append(server.resident_mb)
        else:
            ended.append(DELETED)
    for at, (queued, prompt_id) in enumerate(zip(plan, ids, strict=True)):
        if queued.fate == DELETED and server.ended(prompt_id):
            ended[at] = "it ran all the same"
    return ended, memory


def is_as_it_should_be(queued: Queued, ended: str) -> bool:
    return bool(re.search(queued.words, ended)) and ended != VALID if queued.fate == WRONG_ONE else ended == queued.fate


def soak(server: Server, num_prompts: int, seed: int, tell: Callable[[dict], None] = lambda told: None) -> dict:
    """Run it all; returns what happened."""
    draws = random.Random(seed)
    first = drawn(server, "long_speech", draws)  # ends in Decode Video to File
    (key,) = (key for key, node in first.items() if node["class_type"] == "MMGT_DecodeVideoToFile")

    def made() -> np.ndarray:
        return np.stack(decoded(video_of(server, server.run(first)[key]))[0])

    plan, began, expected = planned(server, num_prompts, draws), time.monotonic(), made()
    fates, memory, unlike, kinds = Counter(), [], [], set()
    for at in range(0, num_prompts, AT_ONCE):
        ten = plan[at : at + AT_ONCE]
        ended, after = run_ten(server, ten, draws)
        memory += after
        for queued, how in zip(ten, ended, strict=True):
            if is_as_it_should_be(queued, how):
                refused = "refused" if how.startswith("refused") else "failed"
                fates[queued.fate if queued.fate != WRONG_ONE else f"wrong, {refused}"] += 1
            else:
                unlike.append([queued.name, queued.fate, how[:300]])
            if how == VALID:
                kinds |= {node["class_type"] for node in queued.prompt.values()}
        told = {"prompts": at + len(ten), "as_they_should": fates, "otherwise": unlike}
        told |= {"seconds": round(time.monotonic() - began), "resident_mb": round(median(after))}
        tell(told)
    quarter = len(memory) // 4
    quarters = [median(memory[at * quarter : (at + 1) * quarter]) for at in range(4)]
    told |= {"nodes_of_ours_run": sum(kind.startswith("MMGT_") for kind in kinds)}
    told |= {"resident_mb": [round(each) for each in quarters], "growth": round(quarters[3] / quarters[1] - 1, 4)}
    return told | {"first_prompt_again_is_equal": np.array_equal(made(), expected)}


def main(num_prompts: int = 200, seed: int = 0) -> None:
    def tell(told: dict) -> None:
        print(json.dumps(told), flush=True)

    with tempfile.TemporaryDirectory() as place:
        base = Path(place)
        write_inputs(base)
        with started(base) as server:
            tell(soak(server, num_prompts, seed, tell))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
