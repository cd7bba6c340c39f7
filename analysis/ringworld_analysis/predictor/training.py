"""A layer, a training step, and the form of both that needs two rates only."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Shape:
    """The sizes of a decoder that its cost depends on."""

    layers: int
    hidden_size: int
    heads: int
    kv_heads: int
    feed_forward: int
    vocabulary: int

    @property
    def head_size(self) -> int:
        """Width of a head."""
        return self.hidden_size // self.heads

    @property
    def layer_parameters(self) -> int:
        """Parameters of the matrix products of one layer."""
        attention = 2 * self.hidden_size**2 + 2 * self.hidden_size * self.kv_heads * self.head_size
        return attention + 3 * self.hidden_size * self.feed_forward

    @property
    def parameters(self) -> int:
        """Parameters in matrix products: the layers and the output head."""
        return self.layers * self.layer_parameters + self.vocabulary * self.hidden_size


SHAPES = {
    "3b": Shape(26, 3200, 32, 32, 8640, 32000),
    "7b": Shape(32, 4096, 32, 32, 11008, 32000),
    "7b, kv_heads 8": Shape(32, 4096, 32, 8, 11008, 32000),
    "7b, 33 heads": Shape(32, 4224, 33, 33, 11008, 32000),
    "8b": Shape(32, 4096, 32, 8, 14336, 128256),
    "13b": Shape(40, 5120, 40, 40, 13824, 32000),
    "30b": Shape(60, 6656, 52, 52, 17920, 32000),
}


@dataclass(frozen=True)
class Work:
    """FLOP of one token of training: in matrix products with parameters, and in attention."""

    linear: float
    attention: float

    @property
    def total(self) -> float:
        """Both."""
        return self.linear + self.attention

    def seconds(self, linear_rate: float, attention_rate: float) -> float:
        """Return the seconds of one token at two rates in FLOP/s."""
        return self.linear / linear_rate + self.attention / attention_rate


def token_work(
    shape: Shape, context_length: int, causal: bool, recompute_linear: bool, recompute_attention: bool
) -> Work:
    """Return 6 N (8 N when recomputed) and 6 L C S causal, 12 L C S full (a third more when recomputed)."""
    attention = shape.layers * shape.hidden_size * context_length * (6 + 2 * recompute_attention)
    return Work((6 + 2 * recompute_linear) * shape.parameters, attention * (1 if causal else 2))


@dataclass(frozen=True)
class LayerSeconds:
    """Seconds of the parts of one layer, forward."""

    products: float
    elementwise: float
    tensor_parallel: float
    attention: float
    attention_backward: float
    gather: float
    """All-gather of the next layer's parameters."""
    scatter: float
    """Reduce-scatter of this layer's gradients."""


def forward_seconds(layer: LayerSeconds) -> float:
    """Return the seconds of a layer forward: the gather of the next layer's parameters is started before."""
    return max(layer.products + layer.elementwise + layer.tensor_parallel + layer.attention, layer.gather)


def backward_seconds(layer: LayerSeconds, recompute: str) -> float:
    """Return the seconds of a layer backward.

    :param recompute: none, attention_saved or full
    :raises ValueError: when `recompute` has another value
    """
    again = {
        "none": 0.0,
        "attention_saved": layer.products + layer.elementwise,
        "full": layer.products + layer.elementwise + layer.tensor_parallel + layer.attention,
    }
    if recompute not in again:
        raise ValueError(f"unknown recompute {recompute}")
    computed = 2 * layer.products + layer.elementwise + layer.tensor_parallel + layer.attention_backward
    return max(computed + again[recompute], layer.gather + layer.scatter)


def step_seconds(
    layers: int, layer: LayerSeconds, recompute: str, head: float, exposed_reduce: float, optimizer: float
) -> float:
    """Return the seconds of a training step: all layers, the output head, what is not hidden, and the optimizer."""
    passes = forward_seconds(layer) + backward_seconds(layer, recompute)
    return layers * passes + head + exposed_reduce + optimizer


def largest_tokens(shape: Shape, ranks: int, memory_bytes: float) -> int:
    """Return the most tokens a rank that memory can hold, with recomputation and all state sharded: an upper bound.

    Counted are 16 bytes a parameter over all ranks (weight, gradient, two moments), one gathered layer with its
    gradient, and in fp32 the input of every layer and the activations of the one that is recomputed.
    """
    state = 16 * shape.parameters / ranks + 8 * shape.layer_parameters
    inputs = 4 * shape.layers * shape.hidden_size
    working = 4 * (2 * shape.hidden_size + 2 * shape.kv_heads * shape.head_size + 3 * shape.feed_forward)
    return max(0, int((memory_bytes - state) / (inputs + working)))
