"""Find out what a network that nobody described is made of, by running it on a small image.

The image is three times as long in its last axis as in the others, so that channels in another
place, attention matrices and pooled vectors cannot be taken for maps of half the size.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from napari_transmedseg.errors import ConfigError

_CONV = {2: nn.Conv2d, 3: nn.Conv3d}
_NOTHING = (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)
"""Layers that do nothing in evaluation."""
_LARGEST_DOWNSAMPLING = 64
_SMALLEST_SIDE = 16
"""Of the image on which encoder maps are looked for: room for four halvings."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Anatomy:
    """Where the parts of a network are."""

    classifier: str
    """Name of the last 1×1 convolution among the network's modules."""
    encoder: tuple[tuple[str, int], ...]
    """Name of the module, and which of its calls, that gives each encoder map; finest first."""
    downsampling: int
    """Image sides must be multiples of this."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Call:
    """One call of one module."""

    name: str
    index: int
    module: nn.Module
    given: Tensor | None
    returned: Any


def examine(
    network: nn.Module,
    *,
    in_channels: int,
    num_classes: int,
    dims: int,
    downsampling: int | None = None,
) -> Anatomy:
    """Look for classifier, encoder maps and downsampling; the network is left as it was.

    The classifier is the 1×1 convolution whose output is the network's. The encoder maps are, for
    each halving of the image, what was last returned at that size before the coarsest was left.

    Parameters
    ----------
    network
        Takes (B, in_channels, …space) and returns logits (B, num_classes, …space).
    in_channels, num_classes, dims
        As in `build_network`.
    downsampling
        What image sides must be multiples of. None: the smallest power of two that works.

    Raises
    ------
    ConfigError
        When it does not end in a 1×1 convolution, does not return one tensor of logits, or fails
        on images of every size tried.
    """
    with _evaluating(network), torch.no_grad():
        if downsampling is None:
            downsampling = _find_downsampling(network, in_channels, num_classes, dims)
        side = downsampling * -(-_SMALLEST_SIDE // downsampling)
        image = _image(network, in_channels, dims, side)
        calls, output = _record(network, image, num_classes)
        last = _find_classifier(calls, output, _CONV[dims])
    return Anatomy(
        classifier=calls[last].name,
        encoder=_find_encoder(calls[:last], image),
        downsampling=downsampling,
    )


def _find_downsampling(network: nn.Module, in_channels: int, num_classes: int, dims: int) -> int:
    downsampling = 1
    while True:
        try:
            _run(network, _image(network, in_channels, dims, downsampling), num_classes)
        except _FailedRunError:
            if downsampling == _LARGEST_DOWNSAMPLING:
                raise
            downsampling *= 2
        else:
            return downsampling


class _FailedRunError(ConfigError):
    """A network cannot segment an image of this size; of another it may."""


def _run(network: nn.Module, image: Tensor, num_classes: int) -> Tensor:
    size = "×".join(str(side) for side in image.shape[2:])
    try:
        output = network(image)
    except Exception as error:  # whatever a stranger's network raises is what the person must read
        raise _FailedRunError(
            f"Expected a network that segments an image of {size} with {image.shape[1]} "
            f"channel(s), found that it fails ({type(error).__name__}: {error}); give it layers "
            "that take any size, or set its 'downsampling'."
        ) from error
    if not isinstance(output, Tensor):
        raise ConfigError(
            f"Expected a network that returns one tensor of logits, found a "
            f"{type(output).__name__}; return the output of its last layer only."
        )
    expected = (len(image), num_classes, *image.shape[2:])
    if output.shape != expected:
        raise _FailedRunError(
            f"Expected logits of shape {expected} for an image of {size}, found "
            f"{tuple(output.shape)}; let the network return as many channels as there are classes, "
            "at the size of the image."
        )
    return output


def _record(network: nn.Module, image: Tensor, num_classes: int) -> tuple[list[_Call], Tensor]:
    calls: list[_Call] = []
    counts: Counter[str] = Counter()
    names = {module: name for name, module in network.named_modules()}

    def note(module: nn.Module, args: Any, kwargs: Any, returned: Any) -> None:
        name = names[module]
        given = next((part for part in (*args, *kwargs.values()) if isinstance(part, Tensor)), None)
        calls.append(
            _Call(name=name, index=counts[name], module=module, given=given, returned=returned)
        )
        counts[name] += 1

    handles = [module.register_forward_hook(note, with_kwargs=True) for module in names]
    try:
        return calls, _run(network, image, num_classes)
    finally:
        for handle in handles:
            handle.remove()


def _find_classifier(calls: list[_Call], output: Tensor, convolution: type[nn.Module]) -> int:
    for position in reversed(range(len(calls))):
        if _gives(calls[position], output, convolution):
            return position
    leaves = [
        call.module
        for call in calls
        if not any(call.module.children()) and not isinstance(call.module, _NOTHING)
    ]
    raise ConfigError(
        f"Expected a network whose last layer is a 1×1 convolution to {output.shape[1]} classes, "
        f"found {_in_words(leaves[-1]) if leaves else 'no layer'} at its end; choose another "
        "network, or let it return the output of such a layer, without softmax."
    )


def _gives(call: _Call, output: Tensor, convolution: type[nn.Module]) -> bool:
    """Whether this is the 1×1 convolution that made the output, with nothing behind it."""
    layer, given = call.module, call.given
    if not isinstance(layer, convolution) or given is None:
        return False
    pointwise = set(layer.kernel_size) == {1} and set(layer.stride) == {1} and layer.groups == 1  # type: ignore[arg-type]
    if not pointwise or call.returned.data_ptr() != output.data_ptr():
        return False
    # The values too: an activation in place hides behind the same memory.
    again = layer(given)
    return again.shape == output.shape and torch.allclose(again, output, rtol=1e-3, atol=1e-4)


def _find_encoder(calls: list[_Call], image: Tensor) -> tuple[tuple[str, int], ...]:
    halvings = [_halvings(call.returned, image) for call in calls]
    coarsest = max((number for number in halvings if number is not None), default=None)
    if coarsest is None:
        return ()
    last: dict[int, tuple[str, int]] = {}
    end = len(halvings) - halvings[::-1].index(coarsest)
    for call, number in zip(calls[:end], halvings[:end], strict=True):
        if number is not None:
            last[number] = (call.name, call.index)
    return tuple(last[number] for number in sorted(last))


def _halvings(value: Any, image: Tensor) -> int | None:
    """How often the image was halved to the size of this map; None when it is no such map."""
    if not isinstance(value, Tensor) or not value.is_floating_point():
        return None
    if value.ndim != image.ndim or len(value) != len(image):
        return None
    number = (image.shape[2] // max(1, value.shape[2])).bit_length() - 1
    sides = tuple(side << number for side in value.shape[2:]) if number >= 0 else ()
    return number if sides == tuple(image.shape[2:]) else None


def _image(network: nn.Module, in_channels: int, dims: int, side: int) -> Tensor:
    space = (*(side,) * (dims - 1), 3 * side)
    image = torch.randn(1, in_channels, *space, generator=torch.Generator().manual_seed(0))
    like = next((p for p in network.parameters() if p.is_floating_point()), image)
    return image.to(like.device, like.dtype)


@contextmanager
def _evaluating(network: nn.Module) -> Iterator[None]:
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def _in_words(layer: nn.Module) -> str:
    kernel = getattr(layer, "kernel_size", None)
    size = f" of {'×'.join(str(k) for k in kernel)}" if isinstance(kernel, tuple) else ""
    return f"{type(layer).__name__}{size}"
