"""Traps of what stands where: layers, residuals, casts, scales, attention, what trains."""

from typing import Any

from keras import layers as K
from keras import ops
from torch import nn

from tests.seeded.edit import altered, become, kind, setting
from tests.seeded.models import transformer
from tests.seeded.trap import Rule, Trap

T_WEIGHED = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)
K_WEIGHED = (K.Dense, K.Conv2D, K.DepthwiseConv2D, K.Conv2DTranspose)
T_PLAIN = (nn.LayerNorm, nn.BatchNorm2d, nn.ReLU, nn.GELU, nn.LeakyReLU, nn.ReLU6, nn.ELU, nn.Dropout, nn.Tanh)
K_PLAIN = (K.LayerNormalization, K.BatchNormalization, K.ReLU, K.LeakyReLU, K.ELU, K.Dropout, K.Activation)


def torch_half(layer: Any, pair: Any) -> None:
    """Let a layer read half precision."""
    altered(layer, before=lambda x: x.half().to(x.dtype))


def keras_half(layer: Any, pair: Any) -> None:
    """Let a layer read half precision."""
    altered(layer, before=lambda x: ops.cast(ops.cast(x, "float16"), x.dtype))


def first_conv(layer: Any, pair: Any) -> bool:
    """Return whether a layer reads the picture that the model is given."""
    if isinstance(layer, nn.Conv2d):
        return layer.in_channels == 3 and pair.inputs.ndim == 4
    return type(layer) is K.Conv2D and layer.kernel.shape[2] == 3 and pair.inputs.ndim == 4


def first_weighed(layer: Any, pair: Any) -> bool:
    """Return whether a layer is the first with weights, of a model of floats."""
    if pair.inputs.dtype.kind != "f":
        return False
    if isinstance(layer, nn.Module):
        return layer is next(each for each in pair.left.modules() if isinstance(each, T_WEIGHED))
    return layer is next((each for each in pair.right.layers if isinstance(each, K_WEIGHED)), None)


def torch_missing(layer: Any, pair: Any) -> Any:
    """Return nothing to do."""
    return nn.Identity()


class Nothing(K.Layer):
    """What gives what it is given."""

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        return inputs


def keras_missing(layer: Any, pair: Any) -> Any:
    """Return nothing to do."""
    return Nothing(name=layer.name)


def torch_no_residual(block: Any, pair: Any) -> None:
    """Leave the way around out."""
    if pair.name == "resnet":
        become(block, {"forward": lambda s, x: s.relu2(s.bn2(s.conv2(s.relu1(s.bn1(s.conv1(x))))))})
    elif pair.name == "depthwise":
        block.around = False
    else:
        become(block, {"forward": no_residual_gpt})


def no_residual_gpt(self: Any, x: Any) -> Any:
    """Return a transformer's block whose attention has no way around it."""
    x = self.attention(self.norm1(x))
    return x + self.dropout(self.narrow(self.gelu(self.wide(self.norm2(x)))))


def torch_residual(layer: Any, pair: Any) -> bool:
    """Return whether a module has a way around it."""
    return type(layer).__name__ in ("Block", "Separable") and getattr(layer, "around", True)


def keras_no_residual(add: Any, pair: Any) -> None:
    """Leave the way around out: it is what was not computed last."""
    last = 1 if pair.name == "transformer" else 0
    become(add, {"call": lambda self, inputs: inputs[last]})


def torch_unbiased(layer: Any, pair: Any) -> None:
    """Let a layer have no bias."""
    layer.bias = None


def keras_unbiased(layer: Any, pair: Any) -> Any:
    """Return the layer without bias."""
    return type(layer).from_config(layer.get_config() | {"use_bias": False})


def top(layer: Any, pair: Any) -> bool:
    """Return whether a Keras layer has a bias and stands in the model itself."""
    return isinstance(layer, K_WEIGHED) and layer.use_bias and any(layer is each for each in pair.right.layers)


def plain(layer: Any, pair: Any) -> bool:
    """Return whether a Keras layer stands in the model itself, and gives the shape that it is given."""
    return isinstance(layer, K_PLAIN) and any(layer is each for each in pair.right.layers)


def torch_untie(model: Any, pair: Any) -> None:
    """Let the head have a matrix of its own, equal at the start."""
    model.head.weight = nn.Parameter(model.embed.weight.detach().clone())


def keras_untie(head: Any, pair: Any) -> Any:
    """Return a head with a matrix of its own."""
    return K.Dense(transformer.TOKENS, use_bias=False, name="head")


def torch_train_buffer(model: Any, pair: Any) -> None:
    """Let a constant train."""
    value = model.std
    del model.std
    model.std = nn.Parameter(value)


def keras_train_buffer(norm: Any, pair: Any) -> None:
    """Let a statistic train."""
    norm.moving_mean.trainable = True


def torch_freeze(layer: Any, pair: Any) -> None:
    """Let a layer's weight stay."""
    layer.weight.requires_grad_(False)


def keras_freeze(layer: Any, pair: Any) -> None:
    """Let a layer's weight stay."""
    next(each for each in layer.weights if each.trainable).trainable = False


T_TRAINS, K_TRAINS = (*T_WEIGHED, nn.Embedding, nn.LayerNorm), (*K_WEIGHED, K.Embedding, K.LayerNormalization)
GPT, EMBED, HEADS = transformer.Gpt, transformer.Embed, K.MultiHeadAttention

TRAPS = (
    Trap("bias dropped", ("structure", "forward"),
         (Rule(kind(*T_WEIGHED, bias=lambda b: b is not None), torch_unbiased),), (Rule(top, keras_unbiased),)),
    Trap("layer missing", ("structure", "forward", "train mode"), (Rule(kind(*T_PLAIN), torch_missing),),
         (Rule(plain, keras_missing),)),
    Trap("residual missing", ("forward",), (Rule(torch_residual, torch_no_residual),),
         (Rule(kind(K.Add), keras_no_residual),)),
    Trap("dtype cast", ("forward",), (Rule(kind(*T_WEIGHED), torch_half),), (Rule(kind(*K_WEIGHED), keras_half),)),
    Trap("input scale", ("forward",),
         (Rule(first_weighed, lambda layer, pair: altered(layer, before=lambda x: x * 0.99)),),
         (Rule(first_weighed, lambda layer, pair: altered(layer, before=lambda x: x * 0.99)),
          Rule(kind(K.Rescaling), setting(scale=lambda s: s * 1.25)))),
    Trap("channel order", ("forward",),
         (Rule(first_conv, lambda layer, pair: altered(layer, before=lambda x: x.flip(1))),),
         (Rule(first_conv, lambda layer, pair: altered(layer, before=lambda x: ops.flip(x, -1))),)),
    Trap("attention scale", ("forward",), (Rule(kind(transformer.Attention), setting(scale=lambda s: s * 0.7)),),
         (Rule(kind(HEADS), setting(_inverse_sqrt_key_dim=lambda s: s * 0.7)),)),
    Trap("attention mask", ("forward",), (Rule(kind(transformer.Attention), setting(causal=False)),),
         (Rule(kind(transformer.SelfAttention), setting(causal=False)),)),
    Trap("embedding scale", ("forward",),
         (Rule(kind(GPT), setting(scale=1.0)),
          Rule(kind(nn.Embedding), lambda layer, pair: altered(layer, after=lambda x: x * 3.0))),
         (Rule(kind(EMBED), setting(scale=1.0)),
          Rule(kind(K.Embedding), lambda layer, pair: altered(layer, after=lambda x: x * 3.0)))),
    Trap("tied weights split", ("structure", "step", "state"), (Rule(kind(GPT), torch_untie, late=True),),
         (Rule(kind(transformer.TiedHead), keras_untie),)),
    Trap("buffer trained", ("structure", "step"), (Rule(kind(nn.Module, std=lambda s: s is not None),
         torch_train_buffer),), (Rule(kind(K.BatchNormalization), keras_train_buffer),)),
    Trap("parameter frozen", ("structure",), (Rule(kind(*T_TRAINS), torch_freeze),),
         (Rule(kind(*K_TRAINS), keras_freeze),)),
)  # fmt: skip
