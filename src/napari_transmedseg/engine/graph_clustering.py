"""GraphCL's structure term: correlation clustering of the encoder's features.

GraphCL (Wang et al., ICML 2025, arXiv:2411.13147) with the clustering loss of DeepCut
(Aflalo et al., ICCVW 2023, arXiv:2212.05853); graph convolution after Kipf and Welling
(ICLR 2017). The authors' code was not available. Ours, and free to choose, are

- N, the number of nodes: one per position of the finest encoder level with at most 1024, in
  2-D and 3-D alike (`max_nodes` of `pick_level`; 1024 are a level of 32×32 or 10×10×10);
- k, the number of clusters (`num_clusters`; 2·C in the trainer): an upper bound, because the
  loss empties those that it does not need;
- α_cc = 2 (`alpha_cc`), and the term's weight γ = 0.1 with a ramp-up;
- the centring of the features, without which equal features everywhere would be a trivial
  minimum.

The affinity W_F = F Fᵀ is a product of thin matrices, so the loss needs no N by N matrix:
⟨W_F, S Sᵀ⟩ = |Fᵀ S|² and ⟨1 1ᵀ, S Sᵀ⟩ = |Sᵀ 1|²; and max(W_F) lies on its diagonal
(Cauchy-Schwarz). Only message passing, which clips W_F at 0, builds it.

Shapes: B images, A channels, N nodes, H hidden units, K clusters, YX spatial axes.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

MAX_NODES = 1024


class GraphClustering(nn.Module):
    """S = softmax(MLP(ELU(GCN(F, W_F)))) and L_graph = -⟨W_F - max(W_F)/α_cc, S Sᵀ⟩ / N².

    Parameters
    ----------
    num_features : int
        Channels A of the encoder level that is clustered.
    num_clusters : int
        Upper bound k of clusters (ours).
    alpha_cc : float
        Pairs with less than 1/α_cc of the largest affinity repel each other; the larger it
        is, the fewer clusters survive (ours).
    hidden : int
        Width of the graph convolution and of the perceptron.
    """

    def __init__(
        self, num_features: int, num_clusters: int, alpha_cc: float = 2.0, hidden: int = 32
    ) -> None:
        super().__init__()
        self.alpha_cc = alpha_cc
        self.convolution = nn.Linear(num_features, hidden)
        self.hidden = nn.Linear(hidden, hidden)
        self.output = nn.Linear(hidden, num_clusters)

    def forward(self, features_BAYX: Tensor, valid_BYX: Tensor | None = None) -> Tensor:
        """Mean of L_graph over the images.

        The affinity is detached wherever it is used: gradient flows through S only.

        Parameters
        ----------
        features_BAYX : Tensor
            One encoder level; see `pick_level`.
        valid_BYX : Tensor, optional
            Bool, at any resolution: False where the image is padding. Such nodes take part
            in nothing.
        """
        valid_B1N = _valid_nodes(features_BAYX, valid_BYX)
        with torch.autocast(features_BAYX.device.type, enabled=False):
            nodes_BAN = normalized_nodes(self._working(features_BAYX), valid_B1N)
            assignment_BKN = self._assign(nodes_BAN)
            if valid_B1N is not None:
                assignment_BKN = assignment_BKN * valid_B1N
            return clustering_loss(nodes_BAN, assignment_BKN, self.alpha_cc, valid_B1N)

    def assign(self, features_BAYX: Tensor) -> Tensor:
        """Soft cluster of each node, (B, K, N)."""
        return self._assign(normalized_nodes(self._working(features_BAYX)))

    def _working(self, features_BAYX: Tensor) -> Tensor:
        """As the term's own weights: single precision, unless someone made them double."""
        return features_BAYX.to(self.output.weight.dtype)

    def _assign(self, nodes_BAN: Tensor) -> Tensor:
        passed_BHN = _propagate(nodes_BAN, _apply(self.convolution, nodes_BAN))
        hidden_BHN = _apply(self.hidden, functional.elu(passed_BHN))
        return _apply(self.output, functional.elu(hidden_BHN)).softmax(1)


def pick_level(encoder: Sequence[Tensor], max_nodes: int = MAX_NODES) -> Tensor:
    """Finest level with at most `max_nodes` positions; the coarsest if none has so few."""
    fitting = [level for level in encoder if level[0, 0].numel() <= max_nodes]
    if fitting:
        return max(fitting, key=lambda level: level[0, 0].numel())
    return min(encoder, key=lambda level: level[0, 0].numel())


def normalized_nodes(features_BAYX: Tensor, valid_B1N: Tensor | None = None) -> Tensor:
    """Nodes F (B, A, N): minus the image's mean feature (detached), each of length 1."""
    nodes_BAN = features_BAYX.flatten(2)
    with torch.no_grad():
        if valid_B1N is None:
            mean_BA1 = nodes_BAN.mean(2, keepdim=True)
        else:
            count_B11 = valid_B1N.sum(2, keepdim=True).clamp(min=1)
            mean_BA1 = (nodes_BAN * valid_B1N).sum(2, keepdim=True) / count_B11
    nodes_BAN = nodes_BAN - mean_BA1
    length_B1N = nodes_BAN.square().sum(1, keepdim=True).clamp(min=1e-12).sqrt()
    nodes_BAN = nodes_BAN / length_B1N
    return nodes_BAN if valid_B1N is None else nodes_BAN * valid_B1N


def clustering_loss(
    nodes_BAN: Tensor, assignment_BKN: Tensor, alpha_cc: float, valid_B1N: Tensor | None = None
) -> Tensor:
    """-⟨W_F - max(W_F)/α_cc, S Sᵀ⟩ / N² (DeepCut's L_CC), averaged over images."""
    nodes_BAN = nodes_BAN.detach()
    attraction_B = (nodes_BAN @ assignment_BKN.mT).square().sum((1, 2))
    total_B = assignment_BKN.sum(2).square().sum(1)
    largest_B = nodes_BAN.square().sum(1).amax(1)
    loss_B = largest_B / alpha_cc * total_B - attraction_B
    if valid_B1N is None:
        return loss_B.mean() / nodes_BAN.shape[2] ** 2
    return (loss_B / valid_B1N.sum((1, 2)).clamp(min=1).square()).mean()


def _propagate(nodes_BAN: Tensor, messages_BHN: Tensor) -> Tensor:
    """D^-1/2 (max(W_F, 0) + I) D^-1/2 X, one step of message passing."""
    with torch.no_grad():
        affinity_BNN = (nodes_BAN.mT @ nodes_BAN).relu_()
        scale_B1N = affinity_BNN.sum(1, keepdim=True).add_(1).rsqrt_()
    scaled_BHN = messages_BHN * scale_B1N
    return torch.baddbmm(scaled_BHN, scaled_BHN, affinity_BNN) * scale_B1N


def _apply(layer: nn.Linear, values_BAN: Tensor) -> Tensor:
    """Apply a linear layer to the channel axis, without moving it to the end."""
    weight_BHA = layer.weight.expand(len(values_BAN), -1, -1)
    return torch.baddbmm(layer.bias.unsqueeze(1), weight_BHA, values_BAN)


def _valid_nodes(features_BAYX: Tensor, valid_BYX: Tensor | None) -> Tensor | None:
    if valid_BYX is None:
        return None
    space = features_BAYX.shape[2:]
    valid_B1YX = functional.interpolate(valid_BYX.unsqueeze(1).float(), size=space, mode="nearest")
    return valid_B1YX.flatten(2)
