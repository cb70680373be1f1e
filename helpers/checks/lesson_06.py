"""Checks of lesson 06: merge an adapter, count attention's adapters, count from a file's header."""

import math

import torch

from helpers.checks import compare


def merge(answer) -> None:
    """W (out, in), A (r, in), B (out, r), lora_alpha → the merged weight (out, in)."""

    def merged(scaling):
        return lambda W, A, B, lora_alpha: W + scaling(W, A, B, lora_alpha) * (B @ A)

    compare(
        answer,
        merged(lambda W, A, B, lora_alpha: lora_alpha / len(A)),
        [_layer(5, 7, 2, 6.0, seed=1), _layer(6, 3, 4, 2.0, seed=2)],
        {
            "off by r: the change is scaled by lora_alpha / r, and r is A's number of rows": merged(
                lambda W, A, B, lora_alpha: lora_alpha
            ),
            "the scale is missing: the change is (lora_alpha / r) · B · A": merged(
                lambda W, A, B, lora_alpha: 1
            ),
            "upside down: the scale is lora_alpha / r": merged(
                lambda W, A, B, lora_alpha: len(A) / lora_alpha
            ),
            "that divisor is in_features: r is A's number of rows": merged(
                lambda W, A, B, lora_alpha: lora_alpha / A.shape[1]
            ),
            "that divisor is out_features: r is A's number of rows": merged(
                lambda W, A, B, lora_alpha: lora_alpha / len(B)
            ),
            "this is the change alone: the frozen W stays, and the change is added": (
                lambda W, A, B, lora_alpha: lora_alpha / len(A) * (B @ A)
            ),
            "the scale belongs to the change alone, W is not scaled": lambda W, A, B, lora_alpha: (
                lora_alpha / len(A) * (W + B @ A)
            ),
        },
    )


def attention_adapters(answer) -> None:
    """hidden_size, n_heads, n_kv_heads, head_dim, n_layers, r → weights on q, k, v, o."""

    def total(hidden_size, q_width, kv_width, n_layers, r):
        return n_layers * 2 * r * (hidden_size + q_width + hidden_size + kv_width)

    compare(
        answer,
        lambda C, n, n_kv, d, layers, r: total(C, n * d, n_kv * d, layers, r),
        [
            (1024, 16, 8, 128, 28, 16),  # Qwen3 0.6B
            (5120, 32, 8, 128, 40, 4),  # Mistral Small: q narrower than the model
            (3072, 16, 16, 256, 28, 8),  # Gemma 7B: as many key/value heads as heads
        ],
        {
            "k and v are narrower than q: their width is n_kv_heads · head_dim": (
                lambda C, n, n_kv, d, layers, r: total(C, n * d, n * d, layers, r)
            ),
            "q's width is n_heads · head_dim, which need not be hidden_size": (
                lambda C, n, n_kv, d, layers, r: total(C, C, n_kv * d, layers, r)
            ),
            "head_dim is given: it need not be hidden_size / n_heads": (
                lambda C, n, n_kv, d, layers, r: total(C, C, n_kv * (C // n), layers, r)
            ),
            "all four taken as hidden_size wide: use the heads' widths": (
                lambda C, n, n_kv, d, layers, r: total(C, C, C, layers, r)
            ),
            "this is one layer: times n_layers": lambda C, n, n_kv, d, layers, r: total(
                C, n * d, n_kv * d, 1, r
            ),
            "this is rank 1: times r": lambda C, n, n_kv, d, layers, r: total(
                C, n * d, n_kv * d, layers, 1
            ),
            "these are the frozen matrices: an adapter has r · (in_features + out_features)": (
                lambda C, n, n_kv, d, layers, r: layers * 2 * C * (n * d + n_kv * d)
            ),
        },
    )


def header_parameters(answer) -> None:
    """A safetensors header (a dict) → the number of weights in the file."""

    def tensors(header):
        return [entry for name, entry in header.items() if name != "__metadata__"]

    def n_bytes(header):
        return max(entry["data_offsets"][1] for entry in tensors(header))

    compare(
        answer,
        lambda header: sum(math.prod(entry["shape"]) for entry in tensors(header)),
        [(_header("F32", 4, [2, 7], [5, 2]),), (_header("BF16", 2, [3, 4], [6, 3], [], [1]),)],
        {
            "these are bytes: a weight takes several, the shape counts weights": n_bytes,
            "four bytes a weight is fp32 only: the shape holds for every dtype": lambda header: (
                n_bytes(header) / 4
            ),
            "this is the number of tensors: multiply each one's shape": lambda h: len(tensors(h)),
            "sides added up: a tensor holds the product of its shape": lambda header: sum(
                sum(entry["shape"]) for entry in tensors(header)
            ),
            "this is one tensor: add all of them up": lambda header: math.prod(
                tensors(header)[-1]["shape"]
            ),
        },
    )


def _layer(out_features, in_features, r, lora_alpha, seed):
    generator = torch.Generator().manual_seed(seed)
    shapes = (out_features, in_features), (r, in_features), (out_features, r)
    return *(torch.randn(shape, generator=generator) for shape in shapes), lora_alpha


def _header(dtype, n_bytes, *shapes):
    header, start = {"__metadata__": {"format": "pt"}}, 0
    for name, shape in zip("ABCD", shapes, strict=False):
        end = start + n_bytes * math.prod(shape)
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}
        start = end
    return header
