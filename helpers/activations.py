"""Bytes that autograd keeps while adapters are trained: a model's own code, run without numbers.

torch's fake tensors have a shape, a dtype and a device, and no storage: a forward pass of an 8B on
them takes about a second and next to no memory.
"""

import contextlib

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from transformers import DynamicCache
from transformers.modeling_layers import GradientCheckpointingLayer

from helpers.counting import lora_shapes
from helpers.shapes import first_sentence, is_ordinary, meta_model, quantized_shapes


class _Frozen(nn.Module):
    """A 4-bit matrix: it computes in `dtype`, answers in its input's dtype, and keeps no input."""

    def __init__(self, shape, dtype):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(*shape, dtype=dtype, device="meta"))

    def forward(self, x):
        return (x.to(self.weight.dtype) @ self.weight).to(x.dtype)


class _Adapted(nn.Module):
    """A frozen module and its adapter. On a CPU, peft makes its input 32 bits wide first."""

    def __init__(self, base, shape, r, dropout, dtype, cpu):
        super().__init__()
        self.base, self.dropout, self.wide = base, nn.Dropout(dropout), cpu
        self.A = nn.Parameter(torch.empty(shape[0], r, dtype=dtype, device="meta"))
        self.B = nn.Parameter(torch.empty(r, shape[1], dtype=dtype, device="meta"))

    def forward(self, x):
        dropped = self.dropout(x.float() if self.wide else x).to(self.A.dtype)
        return self.base(x) + dropped @ self.A @ self.B


class _NoCache(DynamicCache):
    """Holds nothing. Without a cache, a model on fake tensors makes a mask it else leaves out."""

    def update(self, key_states, value_states, *args, **kwargs):
        return key_states, value_states


class _OnACard(TorchFunctionMode):
    """What CUDA does otherwise than a CPU: a dropout mask takes a byte an element, attention with
    dropout keeps no mask, and autocast computes these functions in 32 bits."""

    WIDE = (F.layer_norm, torch.pow, torch.Tensor.pow)

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if function is F.dropout and kwargs.get("p", args[1] if args[1:] else 0.5) > 0:
            return args[0] * torch.ones_like(args[0], dtype=torch.bool)
        if function is F.scaled_dot_product_attention:
            kwargs = kwargs | {"dropout_p": 0.0}
        if function in self.WIDE and torch.is_autocast_enabled("cpu"):
            args = (args[0].float(), *args[1:])
        return function(*args, **kwargs)


def kept_bytes(config, profile, cpu: bool) -> tuple[list[int], list[int], int]:
    """(of each layer, of each layer's input, of the rest): bytes kept from forward to backward.

    For `profile`'s batch on a frozen 4-bit base. For example, an adapter keeps its input, its
    dropout mask and what A gives; a norm of Llama's its input in 32 bits; attention its queries,
    keys, values, output and a log-sum. What is kept twice counts once, and weights do not count.
    cpu: as torch does it on a CPU, which the tests measure; else as torch documents CUDA.
    Raises ValueError for mixtures of experts, convolutions and encoders, and if the run fails.
    """
    dtype = _dtype(profile.compute_dtype)
    model = _decoder(config).to(dtype).train().requires_grad_(False)
    adapted = lora_shapes(config, profile.target_modules)
    n_cut = _cut(model)
    for name, shape in quantized_shapes(model).items():
        model.set_submodule(name, _Frozen(shape, dtype).requires_grad_(False))
    for name, base in list(model.named_modules()):
        if name in adapted:
            settings = profile.r, profile.lora_dropout, dtype, cpu
            model.set_submodule(name, _Adapted(base, adapted[name], *settings))
    layers = [m for m in model.modules() if isinstance(m, GradientCheckpointingLayer)]
    seen, inputs, of_layers = {}, [], []

    def keep(tensor):
        storage = tensor.untyped_storage()
        seen.setdefault(storage._cdata, storage)
        return tensor

    def before(layer, arguments, named):
        x = arguments[0] if arguments else named["hidden_states"]
        inputs.append(x.nbytes)
        of_layers.append(-_size(seen))

    def after(layer, arguments, result):
        of_layers[-1] += _size(seen)

    for layer in layers:
        layer.register_forward_pre_hook(before, with_kwargs=True)
        layer.register_forward_hook(after)
    half = dtype != torch.float32
    autocast = torch.autocast("cpu", dtype) if half else contextlib.nullcontext()
    on = contextlib.nullcontext() if cpu else _OnACard()
    with _fake(model):
        for p in model.parameters():
            seen[p.untyped_storage()._cdata] = None
        tokens = torch.zeros(profile.batch_size, profile.max_length, dtype=torch.long)
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t), autocast, on:
            model.base_model(input_ids=tokens, past_key_values=_NoCache())
    rest = _size(seen) - sum(of_layers)
    return of_layers + n_cut * of_layers[-1:], inputs + n_cut * inputs[-1:], rest


def _cut(model) -> int:
    """Cut off all layers but three where all have the same shapes; how many are gone."""
    stacks = (m for m in model.modules() if isinstance(m, nn.ModuleList) and len(m) > 3)
    for stack in stacks:
        shapes = [[p.shape for p in layer.parameters()] for layer in stack]
        if isinstance(stack[0], GradientCheckpointingLayer) and all(s == shapes[0] for s in shapes):
            n_cut = len(stack) - 3
            del stack[3:]
            return n_cut
    return 0


def cache_bytes(config, batch_size: int, n_tokens: int, dtype) -> int:
    """Bytes of the keys and values that the model keeps for `batch_size` prompts of `n_tokens`.

    Raises ValueError as `kept_bytes` does.
    """
    model = _decoder(config).to(_dtype(dtype)).eval()
    with _fake(model), torch.no_grad():
        tokens = torch.zeros(batch_size, n_tokens, dtype=torch.long)
        cache = model.base_model(input_ids=tokens, use_cache=True).past_key_values
        return sum(layer.keys.nbytes + layer.values.nbytes for layer in cache.layers)


def _decoder(config):
    """The model of `config` on the meta device; ValueError if shapes do not tell its memory."""
    model = meta_model(config)
    layers = any(isinstance(m, GradientCheckpointingLayer) for m in model.modules())
    if config.is_encoder_decoder or not layers or not is_ordinary(model):
        raise ValueError(
            f"the bytes at work of this {type(config).__name__} do not follow from shapes "
            "(that needs a text decoder without experts or convolutions): take another model, or "
            "measure a few steps of training"
        )
    return model


@contextlib.contextmanager
def _fake(model):
    """With the weights of `model` as fake tensors on the CPU; an error becomes a ValueError."""
    try:
        with FakeTensorMode(allow_non_fake_inputs=True):
            model.to_empty(device="cpu")
            yield
    except Exception as error:  # whatever the model's own code raises
        raise ValueError(
            f"{type(model).__name__} does not run without numbers: {first_sentence(error)}; "
            "measure a few steps of training instead"
        ) from error


def _dtype(name) -> torch.dtype:
    """torch's dtype of a name such as "bfloat16" or "bf16"."""
    short = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}
    name = str(name).removeprefix("torch.")
    return getattr(torch, short.get(name, name))


def _size(storages):
    return sum(s.nbytes() for s in storages.values() if s is not None)
