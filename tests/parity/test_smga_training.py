"""SMGA's loss, gradients, optimiser and moving average against the authors' training."""

import json

import numpy as np
import pytest
import torch
from golden import config, golden_files, golden_folder, part, read
from recipe import digest, state_dict

from mmgt.diffusion import add_noise, cosine_alpha_bar
from mmgt.smga.keys import to_authors
from mmgt.smga.load import build_smga
from mmgt.training.optimisers import Adan, ExponentialAverage
from mmgt.training.smga_loss import SMGALoss

LOSSES = golden_files("training", "smga_loss")


def trained(tensors, metadata):
    """The golden network, ready to learn; and the authors' names in the order of the golden gradients."""
    shapes = json.loads((golden_folder("training") / "smga_shapes.json").read_text())
    assert shapes["seed"] == int(metadata["seed"])
    weights = {k: torch.from_numpy(np.array(v)) for k, v in state_dict(shapes["shapes"], shapes["seed"]).items()}
    assert digest({k: v.numpy() for k, v in weights.items()}) == shapes["sha256"]
    return build_smga(weights, config(metadata)["num_heads"]).requires_grad_(True), list(shapes["shapes"])


def given(tensors):
    return {name: torch.from_numpy(np.array(value)) for name, value in part(tensors, "in").items()}


def authors_gradients(model):
    return to_authors({name: parameter.grad for name, parameter in model.named_parameters()})


@pytest.mark.parametrize("path", LOSSES)
@pytest.mark.parametrize("case", ["", "nodrop.", "alldrop."])
def test_loss_and_gradients(path, case):
    tensors, metadata = read(path)
    model, names = trained(tensors, metadata)
    batch = given(tensors)
    drop = {"": batch["drop"].bool(), "nodrop.": False, "alldrop.": True}[case]
    x_noisy = add_noise(batch["x"], batch["noise"], cosine_alpha_bar()[batch["t"]])
    predicted = model(x_noisy, batch["cond_frame"], batch["cond"], batch["t"], drop)
    loss = SMGALoss()
    np.testing.assert_allclose(
        loss.parts(predicted, batch["x"]).detach(), tensors[f"{case}loss.parts_per_sample"], rtol=1e-5
    )
    np.testing.assert_allclose(loss.terms(predicted, batch["x"]).detach(), tensors[f"{case}loss.terms"], rtol=1e-5)
    total = loss(predicted, batch["x"])
    np.testing.assert_allclose(total.item(), tensors[f"{case}loss.total"], rtol=1e-5)
    if not case:
        alpha_bar = cosine_alpha_bar()[batch["t"]]
        np.testing.assert_allclose(alpha_bar.sqrt(), tensors["sqrt_alphas_cumprod_t"], rtol=1e-5, atol=1e-7)
        noise_level = tensors["sqrt_one_minus_alphas_cumprod_t"]
        np.testing.assert_allclose((1 - alpha_bar).sqrt(), noise_level, rtol=1e-5, atol=1e-7)
        assert (tensors["p2_weight"] == 1).all()  # so a timestep has no weight in ``SMGALoss``
        np.testing.assert_allclose(x_noisy, tensors["out.x_noisy"], atol=1e-6)
        np.testing.assert_allclose(predicted.detach(), tensors["out.model"], atol=5e-5)

    total.backward()
    gradients = authors_gradients(model)
    golden = tensors[f"{case}grad_norms"]
    for name, norm in zip(names, golden, strict=True):
        if norm < 0:
            assert name not in gradients, name
        else:
            ours = gradients[name].double().norm().item()
            assert abs(ours - norm) <= 1e-4 * norm + 1e-5 * golden.max(), (name, ours, norm)
    for name, golden_gradient in part(tensors, f"{case}grad").items():
        np.testing.assert_allclose(gradients[name], golden_gradient, rtol=1e-3, atol=1e-5 * np.abs(golden).max())


@pytest.mark.parametrize("path", LOSSES)
def test_loss_gradient_with_respect_to_the_prediction(path):
    tensors, _ = read(path)
    predicted = torch.from_numpy(tensors["out.model"]).requires_grad_(True)
    SMGALoss()(predicted, torch.from_numpy(tensors["in.x"])).backward()
    np.testing.assert_allclose(predicted.grad, tensors["out.dloss_dmodel"], rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("path", golden_files("training", "adan_ema"))
def test_adan_and_average(path):
    tensors, metadata = read(path)
    for case, hyper in config(metadata, "cases").items():
        network = torch.nn.ParameterDict(
            {k: torch.nn.Parameter(torch.from_numpy(v.copy())) for k, v in part(tensors, "p0").items()}
        )
        optimiser = Adan(network.parameters(), **{**hyper, "betas": tuple(hyper["betas"])})
        average = ExponentialAverage(network)
        for step_idx in range(5):
            for name, gradients in part(tensors, "grads").items():
                network[name].grad = torch.from_numpy(gradients[step_idx].copy())
            optimiser.step()
            average.update(network)
            for name, golden in part(tensors, f"{case}.p").items():
                np.testing.assert_allclose(network[name].detach(), golden[step_idx], rtol=0, atol=1e-7)
            for name, golden in part(tensors, f"{case}.ema").items():
                np.testing.assert_allclose(average.average[name], golden[step_idx], rtol=0, atol=1e-7)
        for key, golden in part(tensors, f"{case}.state").items():
            name, moment = key.split(".")
            np.testing.assert_allclose(optimiser.state[network[name]][moment], golden, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("path", golden_files("training", "adan_ema"))
def test_the_average_alone(path):
    tensors, _ = read(path)
    values = torch.from_numpy(tensors["ema_alone.values"])
    network = torch.nn.ParameterDict({"p": torch.nn.Parameter(torch.from_numpy(tensors["p0.a"].copy()))})
    average = ExponentialAverage(network)
    for value, golden in zip(values, tensors["ema_alone.ema"], strict=True):
        network["p"].data.copy_(value)
        average.update(network)
        np.testing.assert_allclose(average.average["p"], golden, rtol=0, atol=1e-7)
