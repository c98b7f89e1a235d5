"""Every network by name, built once per test module."""

import pytest
from small_networks import build_small

from napari_transmedseg.networks import network_names, registry


@pytest.fixture(
    scope="module",
    params=[
        pytest.param((name, dims), id=f"{name} {dims}-D")
        for name in network_names()
        for dims in (2, 3)
    ],
)
def named(request):
    """(network, dims) in training mode, which tests leave so."""
    name, dims = request.param
    return build_small(name, dims), dims


@pytest.fixture
def own_names(monkeypatch):
    """Names registered in a test are gone after it."""
    monkeypatch.setattr(registry, "_BUILDERS", dict(registry._BUILDERS))
