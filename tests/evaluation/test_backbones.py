"""Inception, I3D and SyncNet against what the published implementations gave for the same seeded small weights.

The numbers were computed once by pytorch-fid with torchvision, by cd-fvd's I3D, by syncnet_python's model and by
python_speech_features, whose layers had the same fraction of their channels.
"""

import numpy as np
import pytest
import torch
from tiny_backbones import SCALES, seeded, shapes_of

from mmgt.errors import InputError
from mmgt.evaluation.i3d import I3D, load_i3d
from mmgt.evaluation.inception import Inception, load_inception
from mmgt.evaluation.networks import NETWORK_FILES
from mmgt.evaluation.syncnet import SyncNet, load_syncnet, mfcc

INCEPTION = [0.329883, 0.229961, 0.283477, 0.511403, 0.319367, 0.163216, 0.308065, 0.210206]
I3D_LOGITS = [-0.187608, 0.483757, -0.0446332, -0.356882, 1.03037, 0.618895, -1.31896, 0.765871, 1.29313, -0.35714]
LIPS = [[-179.884, 193.878, -476.775, 338.448], [-185.202, 217.228, -500.983, 347.041]]
SOUND = [[-2.37925, 18.0987, -5.48275, 13.8274], [-3.21613, 16.4995, -5.47525, 13.8547]]
CEPSTRA = [
    [17.5711, 26.2136, -5.47585, -6.23117],
    [21.0072, -7.10687, 14.3852, 3.11621],
    [23.1919, -23.2699, -27.1883, -19.8573],
]

CLASSIFIER = {"fc.weight": torch.zeros(1008, 1), "fc.bias": torch.zeros(1008)}
CASES = {
    "inception": (lambda scale: Inception(scale), load_inception, CLASSIFIER),
    "i3d": (lambda scale: I3D(scale, 10), load_i3d, {}),
    "syncnet": (lambda scale: SyncNet(scale, 24), load_syncnet, {}),
}


@pytest.fixture
def load(tmp_path):
    def loaded(name, changed=lambda tensors: tensors, legacy=False):
        """A small network by way of a file as it is published."""
        build, load, more = CASES[name]
        tensors = changed({**seeded(shapes_of(build(SCALES[name]))), **more})
        path = tmp_path / NETWORK_FILES[name].names[0]
        torch.save(tensors, path, _use_new_zipfile_serialization=not legacy)
        return load(path)

    return loaded


@pytest.fixture
def inputs():
    """Pictures, a clip, faces and cepstra, as the published implementations had them."""
    draw = np.random.default_rng(0)
    picture = draw.random((1, 3, 256, 256))
    clip = draw.random((1, 3, 16, 224, 224)) * 2 - 1
    faces = draw.random((2, 3, 5, 224, 224)).astype(np.float32) * 255
    return *(torch.from_numpy(each).float() for each in (picture, clip, faces)), torch.from_numpy(
        draw.normal(0, 5, (2, 1, 13, 20)).astype(np.float32)
    )


def test_inception_is_pytorch_fids(load, inputs):
    features = load("inception")(inputs[0])
    assert features.shape == (1, 128)
    assert features.reshape(8, 16).mean(dim=1).numpy() == pytest.approx(INCEPTION, rel=1e-3, abs=1e-5)


def test_i3d_is_cd_fvds(load, inputs):
    assert load("i3d")(inputs[1])[0].numpy() == pytest.approx(I3D_LOGITS, rel=1e-3, abs=1e-4)


def test_syncnet_is_its_authors(load, inputs):
    network = load("syncnet", legacy=True)  # as its file is written
    assert network.of_lips(inputs[2])[:, ::6].numpy() == pytest.approx(np.array(LIPS), rel=1e-3)
    assert network.of_sound(inputs[3])[:, ::6].numpy() == pytest.approx(np.array(SOUND), rel=1e-3)


def test_cepstra_are_python_speech_features():
    sweep = 0.3 * np.sin(np.cumsum(np.linspace(0.01, 1.5, 7000)))
    waveform = (sweep + 0.01 * np.cos(np.arange(7000) ** 2 * 0.001)).astype(np.float32)
    waveform[3000:3500] = 0
    found = mfcc(waveform)
    assert found.shape == (43, 13)
    assert found[[0, 20, 42]][:, [0, 1, 7, 12]] == pytest.approx(np.array(CEPSTRA), rel=1e-4)


@pytest.mark.parametrize(
    ("name", "build", "num_weights", "shapes"),
    [
        ("inception", Inception, 21_785_568, {"Mixed_7c.branch3x3dbl_3b.conv.weight": (384, 384, 3, 1)}),
        ("i3d", I3D, 12_697_264, {"logits.conv3d.weight": (400, 1024, 1, 1, 1), "Mixed_3b.b2b.bn.weight": (32,)}),
        ("syncnet", SyncNet, 13_631_616, {"netcnnlip.0.weight": (96, 3, 5, 7, 7), "netfclip.3.weight": (1024, 512)}),
    ],
)
def test_full_size_layouts(name, build, num_weights, shapes):
    with torch.device("meta"):
        network = build()
    found = shapes_of(network)
    assert {key: tuple(found[key]) for key in shapes} == shapes
    assert sum(parameter.numel() for parameter in network.parameters()) == num_weights


@pytest.mark.parametrize("name", CASES)
def test_other_files_are_one_sentence(load, name):
    first = {"inception": "Conv2d_1a_3x3", "i3d": "Conv3d_1a_7x7", "syncnet": "netcnnaud.0"}[name]
    published = NETWORK_FILES[name].names[0]
    with pytest.raises(InputError, match=rf"it has no {first}.*; {published} is"):
        load(name, lambda tensors: {"conv1.weight": torch.zeros(3, 3)})
    with pytest.raises(InputError, match=rf"cannot be measured .*1 missing.*{published} is"):
        load(name, lambda tensors: dict([*tensors.items()][:3] + [*tensors.items()][4:]))
    with pytest.raises(InputError, match=r"cannot be measured .*1 unexpected \(more\)"):
        load(name, lambda tensors: {**tensors, "more": torch.zeros(1)})


def test_torchvisions_inception_is_told_from_fids(load):
    with pytest.raises(InputError, match=r"torchvision's Inception, by which FID is another number; pt_inception"):
        load("inception", lambda tensors: {**tensors, "fc.bias": torch.zeros(1000)})
