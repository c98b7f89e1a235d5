"""Any module that ends in a 1×1 convolution becomes a segmentation network; others are refused."""

import copy
import gc
import pickle
import weakref

import pytest
import torch
from monai.networks.nets import UNet as MonaiUNet
from torch import nn

from napari_transmedseg.errors import ConfigError
from napari_transmedseg.networks import TappedNetwork


class Stranger(nn.Module):
    """Two halvings by one shared pooling layer, and whatever comes after the classifier."""

    def __init__(self, *, behind=None, classifier=None):
        super().__init__()
        self.first = nn.Conv2d(1, 4, 3, padding=1)
        self.second = nn.Conv2d(4, 6, 3, padding=1)
        self.third = nn.Conv2d(6, 4, 3, padding=1)
        self.pool = nn.MaxPool2d(2)
        self.activation = nn.ReLU(inplace=True)
        self.up = nn.Upsample(scale_factor=4)
        self.classifier = classifier or nn.Conv2d(4, 3, 1)
        self.behind = behind or nn.Identity()

    def forward(self, image):
        fine = self.activation(self.first(image))
        middle = self.activation(self.second(self.pool(fine)))
        coarse = self.activation(self.third(self.pool(middle)))
        return self.behind(self.classifier(self.up(coarse) + fine))


def tap(network, **more):
    return TappedNetwork(network, **{"in_channels": 1, "num_classes": 3, "dims": 2} | more)


def test_parts_are_found_without_a_word_about_them():
    torch.manual_seed(0)
    stranger = Stranger()
    network = tap(stranger)
    assert network.downsampling == 4
    assert network.classifier is stranger.classifier
    image = torch.randn(2, 1, 8, 12)
    output = network(image)
    fine = stranger.first(image).relu()
    middle = stranger.second(stranger.pool(fine)).relu()
    coarse = stranger.third(stranger.pool(middle)).relu()
    for found, expected in zip(output.encoder, (fine, middle, coarse), strict=True):
        assert torch.equal(found, expected)
    assert torch.equal(output.features, stranger.up(coarse) + fine)
    assert torch.equal(output.logits, stranger(image))


@pytest.mark.parametrize(
    "behind",
    [
        pytest.param(nn.Identity(), id="identity"),
        pytest.param(nn.Dropout2d(0.9), id="dropout"),
        pytest.param(nn.Sequential(nn.Dropout(0.9), nn.Identity()), id="both"),
    ],
)
def test_what_does_nothing_in_evaluation_may_follow_the_classifier(behind):
    network = tap(Stranger(behind=behind))
    output = network(torch.randn(1, 1, 8, 8))
    assert network.training
    assert torch.equal(network.classifier(output.features), output.logits)


@pytest.mark.parametrize(
    ("network", "found"),
    [
        pytest.param(Stranger(behind=nn.Softmax(1)), "found Softmax at its end", id="softmax"),
        pytest.param(Stranger(behind=nn.Sigmoid()), "found Sigmoid at its end", id="sigmoid"),
        pytest.param(Stranger(behind=nn.ReLU(inplace=True)), "found ReLU", id="ReLU in place"),
        pytest.param(
            Stranger(classifier=nn.Conv2d(4, 3, 3, padding=1)), "found Conv2d of 3×3", id="3×3"
        ),
        pytest.param(
            Stranger(classifier=nn.Conv2d(4, 3, (1, 3), padding=(0, 1))), "of 1×3", id="1×3"
        ),
        pytest.param(
            MonaiUNet(spatial_dims=2, in_channels=1, out_channels=3, channels=(4, 8), strides=(2,)),
            "found ConvTranspose2d of 3×3 at its end",
            id="MONAI's UNet",
        ),
        pytest.param(nn.Identity(), "found no layer at its end", id="no layer at all"),
    ],
)
def test_a_network_without_a_last_pointwise_convolution_is_refused(network, found):
    in_channels = 3 if isinstance(network, nn.Identity) else 1
    with pytest.raises(ConfigError, match="last layer is a 1×1 convolution to 3 classes") as caught:
        tap(network, in_channels=in_channels)
    assert found in str(caught.value)


class Several(Stranger):
    def forward(self, image):
        return [super().forward(image)]


class FixedSize(Stranger):
    def forward(self, image):
        return super().forward(image) + torch.zeros(50, 50)


@pytest.mark.parametrize(
    ("network", "found"),
    [
        pytest.param(Several(), "one tensor of logits, found a list", id="list"),
        pytest.param(FixedSize(), r"64×192 with 1 channel.*fails \(RuntimeError", id="fixed size"),
        pytest.param(
            Stranger(classifier=nn.Conv2d(4, 2, 1)),
            r"shape \(1, 3, 64, 192\).*found \(1, 2, 64, 192\)",
            id="another number of classes",
        ),
        pytest.param(
            nn.Conv2d(1, 3, 1, stride=2), r"found \(1, 3, 32, 96\)", id="a smaller output"
        ),
    ],
)
def test_a_network_that_gives_no_logits_of_the_images_size_is_refused(network, found):
    with pytest.raises(ConfigError, match=found):
        tap(network)


def test_a_given_downsampling_is_not_looked_for():
    assert tap(Stranger(), downsampling=8).downsampling == 8
    stranger = Stranger()
    stranger.downsampling = 16
    assert tap(stranger).downsampling == 16
    with pytest.raises(ConfigError, match="of 18×54.*it fails"):
        tap(Stranger(), downsampling=6)


def test_a_bare_classifier_is_its_own_encoder():
    network = tap(nn.Conv2d(1, 3, 1))
    image = torch.randn(1, 1, 3, 5)
    output = network(image)
    assert network.downsampling == 1
    assert output.features is image and output.encoder == (image,)


def test_examining_leaves_the_network_as_it_was():
    network = nn.Sequential(
        nn.Conv2d(1, 4, 1), nn.BatchNorm2d(4), nn.Dropout(0.5), nn.Conv2d(4, 3, 1)
    )
    network[1].eval()
    before = copy.deepcopy(network.state_dict())
    drawn = torch.get_rng_state()
    tap(network)
    assert [layer.training for layer in network] == [True, False, True, True]
    assert torch.equal(torch.get_rng_state(), drawn)
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name])


def test_no_activation_outlives_its_output():
    network = tap(Stranger())
    output = network(torch.randn(1, 1, 8, 8))
    alive = [weakref.ref(tensor) for tensor in (output.logits, output.features, *output.encoder)]
    del output
    gc.collect()
    assert [reference() for reference in alive] == [None] * 5


def test_a_failed_pass_leaves_nothing_behind():
    network = tap(Stranger())
    with pytest.raises(RuntimeError):
        network(torch.randn(1, 1, 6, 8))
    assert not network._tap.maps and not network._tap.is_open
    assert len(network(torch.randn(1, 1, 8, 8)).encoder) == 3


def test_calling_the_wrapped_network_takes_nothing():
    network = tap(Stranger())
    network.network(torch.randn(1, 1, 8, 8))
    assert not network._tap.maps and not network._tap.taken


def test_it_runs_where_no_gradient_is_kept():
    network = tap(Stranger())
    image = torch.randn(1, 1, 8, 8)
    with torch.no_grad():
        assert not network(image).features.requires_grad
    with torch.inference_mode():
        assert network(image).features.is_inference()
    assert network(image).features.requires_grad


def test_it_can_be_pickled_and_wrapped_once_more():
    stranger = Stranger()
    network = tap(stranger)
    again, second = pickle.loads(pickle.dumps(network)), tap(stranger)
    image = torch.randn(1, 1, 8, 8)
    for other in (again, second):
        assert torch.equal(other(image).features, network(image).features)


def test_a_classifier_called_by_keyword_is_tapped():
    class ByKeyword(Stranger):
        def forward(self, image):
            return self.classifier(input=self.first(image))

    network = tap(ByKeyword())
    output = network(torch.randn(1, 1, 4, 4))
    assert output.features.shape == (1, 4, 4, 4)


@pytest.mark.slow
def test_compiling_changes_no_result():
    torch.manual_seed(0)
    network = tap(Stranger())
    compiled = torch.compile(network, backend="eager")
    image = torch.randn(1, 1, 8, 8)
    expected, found = network(image), compiled(image)
    torch.testing.assert_close(found.features, expected.features)
    for one, other in zip(found.encoder, expected.encoder, strict=True):
        torch.testing.assert_close(one, other)
