"""Every network by name, in 2-D and 3-D, gives what semantic augmentation and graph term need."""

import copy
import subprocess
import sys

import pytest
import torch
from small_networks import CHANNELS, build_small, image_for
from torch import nn
from torch.nn import functional

from napari_transmedseg.errors import ConfigError
from napari_transmedseg.networks import (
    NetworkOutput,
    SegmentationNetwork,
    TappedNetwork,
    build_network,
    network_names,
    register_network,
)

MEMORY_FORMAT = {2: torch.channels_last, 3: torch.channels_last_3d}


def test_it_gives_logits_and_features_of_the_images_size(named):
    network, dims = named
    image = image_for(network, dims)
    output = network(image)
    assert isinstance(network, SegmentationNetwork) and isinstance(output, NetworkOutput)
    assert output.logits.shape == (1, 3, *image.shape[2:])
    assert output.features.shape[2:] == image.shape[2:]
    assert network.classifier_weight().shape == (3, output.features.shape[1])


def test_logits_are_exactly_the_classifier_of_the_features(named):
    network, dims = named
    output = network(image_for(network, dims, batch=2))
    assert torch.equal(network.classifier(output.features), output.logits)
    flat = torch.einsum("ca,ba...->bc...", network.classifier_weight(), output.features)
    bias = network.classifier.bias.view(-1, *(1,) * dims)
    torch.testing.assert_close(flat + bias, output.logits, rtol=1e-4, atol=1e-5)


def test_encoder_maps_halve_from_level_to_level_down_to_the_coarsest(named):
    network, dims = named
    image = image_for(network, dims)
    encoder = network(image).encoder
    sizes = [tuple(level.shape[2:]) for level in encoder]
    assert len(sizes) >= 2
    assert sizes == [tuple(s // 2**k for s in image.shape[2:]) for k in range(len(sizes))]
    assert sizes[-1] == tuple(side // network.downsampling for side in image.shape[2:])
    assert all(level.requires_grad for level in encoder)


def test_loss_terms_reach_first_layer_and_classifier(named):
    network, dims = named
    network.zero_grad(set_to_none=True)
    output = network(image_for(network, dims))
    table = network.classifier_weight().square().sum()  # semantic augmentation's table has W in it
    (functional.cross_entropy(output.logits, output.logits.argmin(1)) + table).backward()
    assert all(p.grad is not None for p in network.parameters())
    assert next(network.parameters()).grad.abs().sum() > 0
    first = next(layer for layer in network.modules() if isinstance(layer, (nn.Conv2d, nn.Conv3d)))
    assert first.weight.grad.abs().sum() > 0
    assert network.classifier.weight.grad.abs().sum() > 0


def test_the_graph_term_alone_reaches_the_encoder(named):
    network, dims = named
    network.zero_grad(set_to_none=True)
    network(image_for(network, dims)).encoder[1].square().sum().backward()
    assert sum(p.grad is not None and bool(p.grad.abs().sum() > 0) for p in network.parameters())


def test_a_copy_shares_nothing_with_its_original(named):
    network, dims = named
    image = image_for(network, dims)
    network(image)
    network.eval()
    teacher = copy.deepcopy(network).requires_grad_(False)
    before = teacher(image)
    with torch.no_grad():
        kept = copy.deepcopy(network.state_dict())
        for parameter in network.parameters():
            parameter.add_(0.1)
    after, changed = teacher(image), network(image)
    network.load_state_dict(kept)
    network.train()
    for old, new, other in zip(_flat(before), _flat(after), _flat(changed), strict=True):
        assert torch.equal(old, new)
        assert not torch.equal(old, other)
    own = {tensor.data_ptr() for tensor in network.state_dict().values()}
    assert own.isdisjoint(tensor.data_ptr() for tensor in teacher.state_dict().values())
    assert torch.equal(teacher.classifier(after.features), after.logits)


def test_weights_go_through_a_state_dict(named):
    network, dims = named
    other = copy.deepcopy(network).eval()
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.zero_()
    other.load_state_dict(network.state_dict())
    if isinstance(network, TappedNetwork):  # the tap adds no second name of a weight
        own = [f"network.{name}" for name in network.network.state_dict()]
        assert list(network.state_dict()) == own
    network.eval()
    image = image_for(network, dims)
    with torch.no_grad():
        assert torch.equal(other(image).logits, network(image).logits)
    network.train()


def test_channels_last_changes_no_result(named):
    network, dims = named
    image = image_for(network, dims)
    plain = copy.deepcopy(network).eval()
    last = copy.deepcopy(plain).to(memory_format=MEMORY_FORMAT[dims])
    with torch.no_grad():
        expected = plain(image)
        found = last(image.contiguous(memory_format=MEMORY_FORMAT[dims]))
    for one, other in zip(_flat(expected), _flat(found), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", network_names())
def test_dropout_acts_while_training_only(name):
    network = build_small(name, 2, dropout=(0.5, 0.5, 0.5))
    image = image_for(network, 2)
    output = network(image)
    assert not torch.equal(output.logits, network(image).logits)
    assert torch.equal(network.classifier(output.features), output.logits)
    network.eval()
    assert torch.equal(network(image).logits, network(image).logits)


@pytest.mark.parametrize("channels", [(3,), (5, 7), (7, 11, 13, 17, 19, 23)], ids=len)
@pytest.mark.parametrize("name", network_names())
def test_any_number_of_levels_and_channels_works(name, channels):
    network = build_small(name, 2, channels=channels, in_channels=2)
    output = network(image_for(network, 2, channels=2))
    assert torch.equal(network.classifier(output.features), output.logits)


def test_an_unknown_network_is_refused_with_the_known_names():
    known = ("unet", "vnet", "basicunet", "segresnet", "swinunetr", "dynunet")
    assert network_names() == known
    with pytest.raises(ConfigError, match=f"Expected a network out of {', '.join(known)}, found"):
        build_network("resnet", in_channels=1, num_classes=2, dims=2, channels=(4, 8))


def test_a_registered_network_is_built_by_its_name(own_names):
    def build(*, in_channels, num_classes, dims, channels, dropout):
        assert (dims, dropout) == (2, ())
        return nn.Sequential(
            nn.Conv2d(in_channels, channels[0], 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(channels[0], num_classes, 1),
        )

    register_network("mine", build)
    assert network_names()[-1] == "mine"
    output = build_small("mine", 2)(torch.randn(1, 1, 5, 7))
    assert output.features.shape == (1, CHANNELS[0], 5, 7)
    assert output.logits.shape == (1, 3, 5, 7)


def test_a_registered_segmentation_network_is_taken_as_it_is(own_names):
    unet = build_small("unet", 2)
    register_network("mine", lambda **arguments: unet)
    assert build_small("mine", 2) is unet


def test_a_taken_name_is_refused(own_names):
    with pytest.raises(ConfigError, match="Expected a new name.*'unet', which is taken"):
        register_network("unet", nn.Identity)


def test_monai_is_imported_only_when_one_of_its_networks_is_built():
    code = (
        "import sys\n"
        "from napari_transmedseg.networks import build_network\n"
        "build_network('vnet', in_channels=1, num_classes=2, dims=2, channels=(2, 2))\n"
        "print('monai' in sys.modules)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True
    )
    assert result.stdout.split() == ["False"]


def _flat(output):
    return (output.logits, output.features, *output.encoder)
