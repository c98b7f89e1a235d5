"""Half precision only where it is safe and pays."""

import pytest
import torch

from napari_transmedseg.engine.precision import autocast, choose_precision, make_scaler


@pytest.mark.parametrize("device", ["cpu", "mps"])
def test_only_cuda_computes_in_half_precision(device):
    assert choose_precision(device) == "float32"


@pytest.mark.parametrize(
    ("capability", "precision"), [((7, 5), "float16"), ((8, 0), "bfloat16"), ((9, 0), "bfloat16")]
)
def test_the_card_decides_which(monkeypatch, capability, precision):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capability)
    assert choose_precision("cuda") == precision


def test_in_full_precision_nothing_is_cast():
    layer, image = torch.nn.Linear(4, 4), torch.ones(2, 4)
    with autocast("cpu", "float32"):
        assert layer(image).dtype == torch.float32


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_only_float16_scales_its_loss(precision):
    scaler = make_scaler(precision)
    assert not scaler.is_enabled()
    loss = torch.ones((), requires_grad=True)
    assert scaler.scale(loss) is loss
