"""GraphCL's structure term: correlation clustering of the encoder's features.

GraphCL (Wang et al., ICML 2025, arXiv:2411.13147) with the clustering loss of DeepCut
(Aflalo et al., ICCVW 2023, arXiv:2212.05853); graph convolution after Kipf and Welling
(ICLR 2017). The authors' code was not available: the number of nodes N (one per position
of the finest encoder level with at most 1024), the number of clusters k (default 2·C in
the trainer; the loss empties those that it does not need), α_cc = 2 and the term's weight
γ = 0.1 with a ramp-up are ours, as is the centring of the features, without which equal
features everywhere would be a trivial minimum.

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
        Upper bound k of clusters.
    alpha_cc : float
        Pairs with less than 1/α_cc of the largest affinity repel each other.
    hidden : int
        Width of the graph convolution and of the perceptron.
    """

    def __init__(
        self, num_features: int, num_clusters: int, alpha_cc: float = 2.0, hidden: int = 32
    ) -> None:
        super().__init__()
        self.alpha_cc = alpha_cc
        self.convolution = nn.Linear(num_features, hidden)
        self.perceptron = nn.Sequential(
            nn.ELU(), nn.Linear(hidden, hidden), nn.ELU(), nn.Linear(hidden, num_clusters)
        )

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
        valid_BN1 = _valid_nodes(features_BAYX, valid_BYX)
        with torch.autocast(features_BAYX.device.type, enabled=False):
            nodes_BNA = normalized_nodes(features_BAYX.float(), valid_BN1)
            assignment_BNK = self._assign(nodes_BNA)
            if valid_BN1 is not None:
                assignment_BNK = assignment_BNK * valid_BN1
            return clustering_loss(nodes_BNA, assignment_BNK, self.alpha_cc, valid_BN1)

    def assign(self, features_BAYX: Tensor) -> Tensor:
        """Soft cluster of each node, (B, N, K)."""
        return self._assign(normalized_nodes(features_BAYX.float(), None))

    def _assign(self, nodes_BNA: Tensor) -> Tensor:
        passed_BNH = _propagate(nodes_BNA, self.convolution(nodes_BNA))
        logits_BNK: Tensor = self.perceptron(passed_BNH)
        return logits_BNK.softmax(-1)


def pick_level(encoder: Sequence[Tensor], max_nodes: int = MAX_NODES) -> Tensor:
    """Finest level with at most `max_nodes` positions; the coarsest if none has so few."""
    fitting = [level for level in encoder if level[0, 0].numel() <= max_nodes]
    if fitting:
        return max(fitting, key=lambda level: level[0, 0].numel())
    return min(encoder, key=lambda level: level[0, 0].numel())


def normalized_nodes(features_BAYX: Tensor, valid_BN1: Tensor | None = None) -> Tensor:
    """Nodes F (B, N, A): minus the image's mean feature (detached), each of length 1."""
    nodes_BNA = features_BAYX.flatten(2).mT
    if valid_BN1 is None:
        mean_B1A = nodes_BNA.mean(1, keepdim=True)
    else:
        mean_B1A = (nodes_BNA * valid_BN1).sum(1, keepdim=True)
        mean_B1A = mean_B1A / valid_BN1.sum(1, keepdim=True).clamp(min=1)
    nodes_BNA = functional.normalize(nodes_BNA - mean_B1A.detach(), dim=-1, eps=1e-6)
    return nodes_BNA if valid_BN1 is None else nodes_BNA * valid_BN1


def clustering_loss(
    nodes_BNA: Tensor, assignment_BNK: Tensor, alpha_cc: float, valid_BN1: Tensor | None = None
) -> Tensor:
    """-⟨W_F - max(W_F)/α_cc, S Sᵀ⟩ / N² (DeepCut's L_CC), averaged over images."""
    nodes_BNA = nodes_BNA.detach()
    attraction_B = (nodes_BNA.mT @ assignment_BNK).square().sum((1, 2))
    total_B = assignment_BNK.sum(1).square().sum(1)
    largest_B = nodes_BNA.square().sum(-1).amax(1)
    loss_B = largest_B / alpha_cc * total_B - attraction_B
    if valid_BN1 is None:
        return loss_B.mean() / nodes_BNA.shape[1] ** 2
    return (loss_B / valid_BN1.sum((1, 2)).clamp(min=1).square()).mean()


def _propagate(nodes_BNA: Tensor, messages_BNH: Tensor) -> Tensor:
    """D^-1/2 (max(W_F, 0) + I) D^-1/2 X, one step of message passing."""
    with torch.no_grad():
        affinity_BNN = (nodes_BNA @ nodes_BNA.mT).relu_()
        scale_BN1 = affinity_BNN.sum(-1, keepdim=True).add_(1).rsqrt_()
    scaled_BNH = messages_BNH * scale_BN1
    return (affinity_BNN @ scaled_BNH + scaled_BNH) * scale_BN1


def _valid_nodes(features_BAYX: Tensor, valid_BYX: Tensor | None) -> Tensor | None:
    if valid_BYX is None:
        return None
    space = features_BAYX.shape[2:]
    valid_B1YX = functional.interpolate(valid_BYX.unsqueeze(1).float(), size=space, mode="nearest")
    return valid_B1YX.flatten(2).mT
