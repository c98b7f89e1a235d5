"""Networks: logits are the classifier of the features, encoder maps halve level by level."""

import pytest
import torch
from torch.nn.functional import conv2d

from napari_transmedseg.networks import build_network


def _unet(dims=2, channels=(4, 8, 16), **more):
    torch.manual_seed(0)
    return build_network("unet", in_channels=1, num_classes=3, dims=dims, channels=channels, **more)


@pytest.mark.parametrize(
    ("dims", "space"),
    [pytest.param(2, (16, 24), id="2-D"), pytest.param(3, (8, 12, 16), id="3-D")],
)
def test_it_gives_logits_features_and_encoder_maps(dims, space):
    network = _unet(dims)
    assert network.downsampling == 4
    output = network(torch.randn(2, 1, *space))
    assert output.logits.shape == (2, 3, *space)
    assert output.features.shape == (2, 4, *space)
    for level, (channels, maps) in enumerate(zip((4, 8, 16), output.encoder, strict=True)):
        assert maps.shape == (2, channels, *(side // 2**level for side in space))


def test_logits_are_the_classifier_of_the_features():
    network = _unet()
    output = network(torch.randn(2, 1, 16, 16))
    weight = network.classifier_weight()
    assert weight.shape == (3, 4) and weight.requires_grad
    again = conv2d(output.features, weight[:, :, None, None], network.classifier.bias)
    torch.testing.assert_close(output.logits, again)
    flat = torch.einsum("ca,bahw->bchw", weight, output.features)
    torch.testing.assert_close(flat + network.classifier.bias[:, None, None], output.logits)


@pytest.mark.parametrize(
    ("dims", "space"),
    [pytest.param(2, (4, 6), id="2-D"), pytest.param(3, (2, 4, 6), id="3-D")],
)
def test_reducing_channels_before_upsampling_gives_the_same_as_after(dims, space):
    network = _unet(dims)
    coarse = torch.randn(1, 16, *space)
    before = network.upsample(network.reduce[1](coarse))
    after = network.reduce[1](network.upsample(coarse))
    torch.testing.assert_close(before, after, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("dims", "space"),
    [pytest.param(2, (16, 16), id="2-D"), pytest.param(3, (8, 8, 16), id="3-D")],
)
def test_every_weight_learns(dims, space):
    network = _unet(dims)
    output = network(torch.randn(2, 1, *space))
    output.logits.square().mean().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())


def test_dropout_acts_while_training_only():
    network = _unet(dropout=(0.5, 0.5, 0.5))
    image = torch.randn(2, 1, 16, 16)
    assert not torch.equal(network(image).logits, network(image).logits)
    network.eval()
    assert torch.equal(network(image).logits, network(image).logits)


def test_weights_keep_the_names_that_checkpoints_have():
    names = {name.rsplit(".", 1)[0] for name in _unet(channels=(4, 8)).state_dict()}
    blocks = {
        f"{block}.{layer}" for block in ("down.0", "down.1", "up.0") for layer in (0, 1, 3, 4)
    }
    assert names == blocks | {"reduce.0", "classifier"}
