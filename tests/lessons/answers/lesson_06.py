"""Answers to the exercises of lesson 6 that do not copy the mistakes in its checks.py.

WRONG: each is wrong on an input that the task allows, and INPUTS holds one on which it shows.
RIGHT: each is right, written another way; the first one is what the others are compared with.
"""

import math

import numpy as np
import torch

# ---- merge(W, A, B, lora_alpha)


def merge_right(W, A, B, lora_alpha):
    scale, merged = lora_alpha / A.shape[0], W.clone()
    for a, b in zip(A, B.T, strict=True):
        merged = merged + scale * torch.outer(b, a)
    return merged


def merge_einsum(W, A, B, lora_alpha):
    return W + torch.einsum("or,ri->oi", B, A) * lora_alpha / B.shape[1]


def merge_transposed(W, A, B, lora_alpha):
    return W + (A.T @ B.T).T * (lora_alpha / len(A))


def merge_numpy(W, A, B, lora_alpha):
    W, A, B = W.numpy(), A.numpy(), B.numpy()
    return W + np.float32(lora_alpha / len(A)) * (B @ A)


def merge_through_the_identity(W, A, B, lora_alpha):
    x = torch.eye(W.shape[1], dtype=W.dtype)
    return (x @ W.T + lora_alpha / len(A) * (x @ A.T @ B.T)).T


def root_of_r(W, A, B, lora_alpha):
    """Divided by the root of r, as rsLoRA does."""
    return W + lora_alpha / math.sqrt(len(A)) * (B @ A)


def smaller_side_of_A(W, A, B, lora_alpha):
    """r is taken for the smaller side of A."""
    return W + lora_alpha / min(A.shape) * (B @ A)


def smaller_side_of_B(W, A, B, lora_alpha):
    """r is taken for the smaller side of B."""
    return W + lora_alpha / min(B.shape) * (B @ A)


def rank_by_algebra(W, A, B, lora_alpha):
    """The rank of the product is smaller than r when in_features is."""
    return W + lora_alpha / int(torch.linalg.matrix_rank(B @ A)) * (B @ A)


def scale_of_two(W, A, B, lora_alpha):
    """lora_alpha is taken for twice r."""
    return W + 2 * (B @ A)


def alpha_as_a_whole_number(W, A, B, lora_alpha):
    """lora_alpha is cut to a whole number."""
    return W + int(lora_alpha) / len(A) * (B @ A)


def at_least_one(W, A, B, lora_alpha):
    """The scale is kept from falling below 1."""
    return W + max(1, lora_alpha / len(A)) * (B @ A)


def scaled_twice(W, A, B, lora_alpha):
    """A and B are both scaled."""
    scale = lora_alpha / len(A)
    return W + (scale * B) @ (scale * A)


def product_transposed(W, A, B, lora_alpha):
    """The change is transposed: it fits where W is square."""
    return W + lora_alpha / len(A) * (B @ A).T


def a_times_b(W, A, B, lora_alpha):
    """A @ B is (r, r) at best."""
    return W + lora_alpha / len(A) * (A @ B)


def mean_with_the_change(W, A, B, lora_alpha):
    """W and the change are averaged."""
    return (W + lora_alpha / len(A) * (B @ A)) / 2


def merged_transposed(W, A, B, lora_alpha):
    """The merged weight is transposed."""
    return merge_right(W, A, B, lora_alpha).T


def first_direction(W, A, B, lora_alpha):
    """Only the first of r directions is added."""
    return W + lora_alpha / len(A) * torch.outer(B[:, 0], A[0])


def multiplied_in(W, A, B, lora_alpha):
    """The change multiplies W."""
    return W * (1 + lora_alpha / len(A) * (B @ A))


def in_half_precision(W, A, B, lora_alpha):
    """The product is rounded to bf16."""
    return W + lora_alpha / len(A) * (B.bfloat16() @ A.bfloat16()).to(W.dtype)


def _layer(n_out, n_in, r, lora_alpha, seed):
    generator = torch.Generator().manual_seed(seed)
    shapes = (n_out, n_in), (r, n_in), (n_out, r)
    return *(torch.randn(shape, generator=generator) for shape in shapes), lora_alpha


# ---- my_count: a number

COUNT = 32 * 32 * (2 * (4096 + 4096) + 2 * (4096 + 1024))
WRONG_COUNTS = [
    COUNT + 1,
    COUNT - 1,
    27_000_000,  # rounded
    27.3,  # in millions
    32 * 32 * (4096 + 4096),  # one matrix
    32 * 32 * (2 * (4096 + 4096) + (4096 + 1024)),  # k or v missing
    32 * 32 * ((4096 + 4096) + 2 * (4096 + 1024)),  # q or o missing
    32 * 32 * (2 * (4096 * 4096) + 2 * (4096 * 1024)),  # sides multiplied
    32 * 32 * (2 * (4096 + 4096) + 2 * (1024 + 1024)),  # k and v take in 1024
    COUNT * 2,  # bytes in bf16
    32 * 16 * (2 * (4096 + 4096) + 2 * (4096 + 1024)),  # rank 16
    COUNT * 8,  # eight heads
    32 * 32 * (2 * (4096 + 4096) + 2 * (4096 + 8)),  # heads for widths
    8_030_261_248,  # the whole model
    COUNT / 8_030_261_248,  # the share
    COUNT * 32 // 31,
]
RIGHT_COUNTS = [COUNT, float(COUNT), np.int64(COUNT), torch.tensor(COUNT), lambda: COUNT]

# ---- attention_adapters(hidden_size, n_heads, n_kv_heads, head_dim, n_layers, r)


def adapters_right(hidden_size, n_heads, n_kv_heads, head_dim, n_layers, r):
    total = 0
    for _ in range(n_layers):
        for n_in, n_out in (
            (hidden_size, n_heads * head_dim),
            (hidden_size, n_kv_heads * head_dim),
            (hidden_size, n_kv_heads * head_dim),
            (n_heads * head_dim, hidden_size),
        ):
            total += r * n_in + n_out * r
    return total


def adapters_short(hidden_size, n_heads, n_kv_heads, head_dim, n_layers, r):
    return 2 * r * n_layers * (2 * hidden_size + head_dim * (n_heads + n_kv_heads))


def adapters_numpy(hidden_size, n_heads, n_kv_heads, head_dim, n_layers, r):
    outs = np.array([n_heads, n_kv_heads, n_kv_heads, n_heads]) * head_dim
    return (outs + hidden_size).sum() * r * n_layers


def adapters_tensors(hidden_size, n_heads, n_kv_heads, head_dim, n_layers, r):
    def pair(n_in, n_out):
        A, B = torch.empty(r, n_in, device="meta"), torch.empty(n_out, r, device="meta")
        return A.numel() + B.numel()

    q, kv = n_heads * head_dim, n_kv_heads * head_dim
    return n_layers * (pair(hidden_size, q) + 2 * pair(hidden_size, kv) + pair(q, hidden_size))


def adapters_float(hidden_size, n_heads, n_kv_heads, head_dim, n_layers, r):
    return 4.0 * r * n_layers * (hidden_size + head_dim * (n_heads + n_kv_heads) / 2)


def one_a_for_qkv(hidden_size, n_heads, n_kv_heads, head_dim, n_layers, r):
    """q, k and v share one A."""
    q, kv = n_heads * head_dim, n_kv_heads * head_dim
    return n_layers * r * (hidden_size + q + 2 * kv + q + hidden_size)


def o_from_the_keys(hidden_size, n_heads, n_kv_heads, head_dim, n_layers, r):
    """o takes in what k gives."""
    q, kv = n_heads * head_dim, n_kv_heads * head_dim
    return n_layers * r * (hidden_size + q + 3 * (hidden_size + kv))


def kv_heads_per_group(hidden_size, n_heads, n_kv_heads, head_dim, n_layers, r):
    """n_kv_heads is taken for the number of queries that share a head."""
    q, kv = n_heads * head_dim, n_heads // n_kv_heads * head_dim
    return n_layers * 2 * r * (2 * hidden_size + q + kv)


def wider_of_the_two(hidden_size, n_heads, n_kv_heads, head_dim, n_layers, r):
    """q is at least as wide as the model."""
    q, kv = max(hidden_size, n_heads * head_dim), n_kv_heads * head_dim
    return n_layers * 2 * r * (2 * hidden_size + q + kv)


def narrower_of_the_two(hidden_size, n_heads, n_kv_heads, head_dim, n_layers, r):
    """q is at most as wide as the model."""
    q, kv = min(hidden_size, n_heads * head_dim), n_kv_heads * head_dim
    return n_layers * 2 * r * (2 * hidden_size + q + kv)


def head_dim_of_128(hidden_size, n_heads, n_kv_heads, head_dim, n_layers, r):
    """A head is taken as 128 wide."""
    return adapters_right(hidden_size, n_heads, n_kv_heads, 128, n_layers, r)


def eight_key_heads(hidden_size, n_heads, n_kv_heads, head_dim, n_layers, r):
    """Keys are taken to have 8 heads."""
    return adapters_right(hidden_size, n_heads, 8, head_dim, n_layers, r)


def biases_too(hidden_size, n_heads, n_kv_heads, head_dim, n_layers, r):
    """LoRA has no bias."""
    right = adapters_right(hidden_size, n_heads, n_kv_heads, head_dim, n_layers, r)
    return right + n_layers * (n_heads * head_dim + 2 * n_kv_heads * head_dim + hidden_size)


def rank_times_rank(hidden_size, n_heads, n_kv_heads, head_dim, n_layers, r):
    """r is counted for A and for B of the same product."""
    return r * adapters_right(hidden_size, n_heads, n_kv_heads, head_dim, n_layers, r)


def an_adapter_a_head(hidden_size, n_heads, n_kv_heads, head_dim, n_layers, r):
    """Each head is given an adapter of its own."""
    per_head = r * (hidden_size + head_dim)
    return n_layers * per_head * (2 * n_heads + 2 * n_kv_heads)


def one_missing_by_rounding(hidden_size, n_heads, n_kv_heads, head_dim, n_layers, r):
    """One weight too few."""
    return adapters_right(hidden_size, n_heads, n_kv_heads, head_dim, n_layers, r) - 1


def in_millions(hidden_size, n_heads, n_kv_heads, head_dim, n_layers, r):
    """That is in millions."""
    return adapters_right(hidden_size, n_heads, n_kv_heads, head_dim, n_layers, r) / 1e6


def queries_and_values(hidden_size, n_heads, n_kv_heads, head_dim, n_layers, r):
    """Only q and v, as in the first paper."""
    q, kv = n_heads * head_dim, n_kv_heads * head_dim
    return n_layers * r * (2 * hidden_size + q + kv)


def rounded_to_thousands(hidden_size, n_heads, n_kv_heads, head_dim, n_layers, r):
    """Rounded to a thousand."""
    return round(adapters_right(hidden_size, n_heads, n_kv_heads, head_dim, n_layers, r), -3)


# ---- header_parameters(header)


def header_right(header):
    total = 0
    for name in header:
        if name == "__metadata__":
            continue
        n = 1
        for side in header[name]["shape"]:
            n *= side
        total += n
    return total


def header_prod(header):
    return sum(math.prod(entry["shape"]) for entry in header.values() if "shape" in entry)


def header_bytes(header):
    n_bytes = {"F32": 4, "BF16": 2, "F16": 2}
    total = 0
    for name, entry in header.items():
        if name != "__metadata__":
            start, end = entry["data_offsets"]
            total += (end - start) // n_bytes[entry["dtype"]]
    return total


def header_numpy(header):
    shapes = [entry["shape"] for name, entry in header.items() if name != "__metadata__"]
    return np.sum([np.prod(shape, dtype=np.int64) for shape in shapes], dtype=np.int64)


def header_popped(header):
    tensors = dict(header)
    tensors.pop("__metadata__", None)
    return sum(torch.empty(entry["shape"], device="meta").numel() for entry in tensors.values())


def metadata_is_first(header):
    """The first entry is left out if it is the metadata, and the rest is taken for tensors."""
    entries = list(header.items())
    if entries and entries[0][0] == "__metadata__":
        entries = entries[1:]
    return sum(math.prod(entry["shape"]) for _, entry in entries)


def metadata_deleted(header):
    """A header without metadata has nothing to delete."""
    tensors = dict(header)
    del tensors["__metadata__"]
    return sum(math.prod(entry["shape"]) for entry in tensors.values())


def names_with_metadata(header):
    """A tensor whose name holds the word is left out."""
    return sum(math.prod(e["shape"]) for name, e in header.items() if "metadata" not in name)


def names_with_underscores(header):
    """A tensor whose name begins with an underscore is left out."""
    return sum(math.prod(e["shape"]) for name, e in header.items() if not name.startswith("_"))


def matrices_alone(header):
    """Only matrices are counted."""
    shapes = [e["shape"] for name, e in header.items() if name != "__metadata__"]
    return sum(shape[0] * shape[1] for shape in shapes if len(shape) == 2)


def first_two_sides(header):
    """A third side is left out."""
    shapes = [e["shape"] for name, e in header.items() if name != "__metadata__"]
    return sum(math.prod(shape[:2]) for shape in shapes)


def named_weight(header):
    """Only names that end in weight are counted."""
    return sum(math.prod(e["shape"]) for name, e in header.items() if name.endswith("weight"))


def lora_alone(header):
    """Only names with lora in them are counted."""
    return sum(math.prod(e["shape"]) for name, e in header.items() if "lora" in name)


def empty_tensors_hold_one(header):
    """A side of 0 is skipped."""
    shapes = [e["shape"] for name, e in header.items() if name != "__metadata__"]
    return sum(math.prod(side for side in shape if side) for shape in shapes)


def same_shape_once(header):
    """Tensors of the same shape count once."""
    shapes = {tuple(e["shape"]) for name, e in header.items() if name != "__metadata__"}
    return sum(math.prod(shape) for shape in shapes)


def last_in_the_header_ends_the_file(header):
    """The last entry need not be the last in the file, nor hold the file's dtype."""
    last = [e for name, e in header.items() if name != "__metadata__"][-1]
    return last["data_offsets"][1] // {"F32": 4, "BF16": 2}[last["dtype"]]


def sides_as_numpy(header):
    """np.prod of a list of lists of unequal length."""
    shapes = [e["shape"] for name, e in header.items() if name != "__metadata__"]
    return int(np.prod(np.array(shapes), axis=1).sum())


def average_width(header):
    """All bytes over the mean of the dtypes' sizes."""
    tensors = [e for name, e in header.items() if name != "__metadata__"]
    sizes = [{"F32": 4, "BF16": 2}[e["dtype"]] for e in tensors]
    return max(e["data_offsets"][1] for e in tensors) / (sum(sizes) / len(sizes))


def from_first_to_last(header):
    """The first tensor's shape stands for all."""
    shapes = [e["shape"] for name, e in header.items() if name != "__metadata__"]
    return len(shapes) * math.prod(shapes[0])


def at_least_two_sides(header):
    """A vector is left out."""
    shapes = [e["shape"] for name, e in header.items() if name != "__metadata__"]
    return sum(math.prod(shape) for shape in shapes if len(shape) != 1)


def _entry(dtype, shape, start):
    end = start + {"F32": 4, "BF16": 2}[dtype] * math.prod(shape)
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


METADATA = {"format": "pt"}
HEADERS = [
    {
        "norm.bias": _entry("F32", [6], 0),
        "__metadata__": METADATA,
        "conv.weight": _entry("BF16", [2, 3, 4], 24),
        "metadata_head": _entry("F32", [2, 2], 72),
        "_scale": _entry("F32", [], 88),
    },
    {
        "b.lora_B.weight": _entry("BF16", [5, 2], 24),
        "a.lora_A.weight": _entry("F32", [2, 3], 0),
        "c.lora_A.weight": _entry("BF16", [0, 7], 44),
        "d.lora_B.weight": _entry("BF16", [5, 2], 44),
    },
    {"__metadata__": METADATA, "x": _entry("F32", [4, 3], 0), "y": _entry("F32", [3], 48)},
]

WRONG = {
    "merge": [
        root_of_r,
        smaller_side_of_A,
        smaller_side_of_B,
        rank_by_algebra,
        scale_of_two,
        alpha_as_a_whole_number,
        at_least_one,
        scaled_twice,
        product_transposed,
        a_times_b,
        mean_with_the_change,
        merged_transposed,
        first_direction,
        multiplied_in,
        in_half_precision,
    ],
    "my_count": WRONG_COUNTS,
    "attention_adapters": [
        one_a_for_qkv,
        o_from_the_keys,
        kv_heads_per_group,
        wider_of_the_two,
        narrower_of_the_two,
        head_dim_of_128,
        eight_key_heads,
        biases_too,
        rank_times_rank,
        an_adapter_a_head,
        one_missing_by_rounding,
        in_millions,
        queries_and_values,
        rounded_to_thousands,
    ],
    "header_parameters": [
        metadata_is_first,
        metadata_deleted,
        names_with_metadata,
        names_with_underscores,
        matrices_alone,
        first_two_sides,
        named_weight,
        lora_alone,
        empty_tensors_hold_one,
        same_shape_once,
        last_in_the_header_ends_the_file,
        sides_as_numpy,
        average_width,
        from_first_to_last,
        at_least_two_sides,
    ],
}
RIGHT = {
    "merge": [
        merge_right,
        merge_einsum,
        merge_transposed,
        merge_numpy,
        merge_through_the_identity,
    ],
    "my_count": RIGHT_COUNTS,
    "attention_adapters": [
        adapters_right,
        adapters_short,
        adapters_numpy,
        adapters_tensors,
        adapters_float,
    ],
    "header_parameters": [header_right, header_prod, header_bytes, header_numpy, header_popped],
}
INPUTS = {
    "merge": [
        _layer(4, 6, 3, 4.5, seed=1),
        _layer(5, 5, 1, 2, seed=2),
        _layer(3, 2, 4, 1.0, seed=3),
    ],
    "attention_adapters": [
        (24, 4, 2, 8, 3, 5),
        (48, 4, 4, 8, 2, 7),
        (40, 6, 2, 16, 1, 1),
        (4096, 32, 8, 128, 32, 32),
    ],
    "header_parameters": [(header,) for header in HEADERS],
}


# ---- The named mistakes in other words


def one_lora(n_in, n_out, r=32):
    """The weights in A and B of one adapter."""
    return (
        torch.empty(r, n_in, device="meta").numel() + torch.empty(n_out, r, device="meta").numel()
    )


Q, K = one_lora(4096, 4096), one_lora(4096, 8 * 128)  # o counts as much as q, v as much as k
MLP = one_lora(4096, 14336) * 2 + one_lora(14336, 4096)


def with_widths(q, k, v, o):
    """attention_adapters if the four matrices had these widths, functions of C, h, kv, d."""

    def count(C, h, kv, d, n_layers, r):
        return sum(one_lora(C, width(C, h, kv, d), r) for width in (q, k, v, o)) * n_layers

    return count


def of_heads(C, h, kv, d):
    return h * d


def of_keys(C, h, kv, d):
    return kv * d


def of_model(C, h, kv, d):
    return C


def tensors_of(header):
    return [entry for entry in header.values() if "shape" in entry]


def bytes_of(header):
    return sum(end - start for start, end in (e["data_offsets"] for e in tensors_of(header)))


def bytes_by_the_first_dtype(header):
    return bytes_of(header) // (4 if tensors_of(header)[0]["dtype"] == "F32" else 2)


def all_but_the_first(header):
    entries = iter(header.values())
    next(entries)
    return sum(torch.empty(entry["shape"], device="meta").numel() for entry in entries)


def overwritten(header):
    for entry in tensors_of(header):
        n = np.ones(entry["shape"]).size
    return n


def return_in_the_loop(header):
    total = 0
    for entry in tensors_of(header):
        total += np.ones(entry["shape"]).size
        return total


def no_sides_no_numbers(header):
    total = 0
    for entry in tensors_of(header):
        n = 1 if entry["shape"] else 0
        for side in entry["shape"]:
            n *= side
        total += n
    return total


NAMED = {
    "merge": {
        "alpha_alone": lambda W, A, B, alpha: W + (alpha * B) @ A,
        "no_scale": lambda W, A, B, alpha: torch.addmm(W, B, A),
        "scale_upside_down": lambda W, A, B, alpha: W + (A.T @ B.T).T / (alpha / B.shape[1]),
        "divided_by_in_features": lambda W, A, B, alpha: W + B @ (alpha * A) / W.shape[1],
        "divided_by_out_features": lambda W, A, B, alpha: W + B @ (alpha * A) / W.shape[0],
        "divided_by_small_r": lambda W, A, B, alpha: torch.addmm(W, B, A, alpha=alpha * 0.25),
        "divided_without_rest": lambda W, A, B, alpha: W + B @ (alpha // B.shape[1] * A),
        "change_alone": lambda W, A, B, alpha: merge_right(W, A, B, alpha) - W,
        "w_scaled_too": lambda W, A, B, alpha: torch.addmm(W, B, A) * alpha / B.shape[1],
        "change_subtracted": lambda W, A, B, alpha: merge_right(W, -A, B, alpha),
        "smaller_side": lambda W, A, B, alpha: W + B @ (alpha * A) / min(len(A), *W.shape),
        "root_of_r": lambda W, A, B, alpha: W + alpha * B @ A * B.shape[1] ** -0.5,
        "alpha_cut": lambda W, A, B, alpha: merge_right(W, A, B, alpha // 1),
        "scaled_twice": scaled_twice,
        "merged_transposed": lambda W, A, B, alpha: W.T + alpha / len(A) * (A.T @ B.T),
    },
    "my_count": {
        "k_and_v_as_wide_as_q": 32 * 4 * Q,
        "one_head_of_keys": 32 * (2 * Q + 2 * one_lora(4096, 128)),
        "one_layer": 2 * Q + 2 * K,
        "half": 32 * (Q + K),
        "twice": lambda: 2 * 32 * (2 * Q + 2 * K),
        "bytes_in_fp32": 32 * torch.empty(2 * Q + 2 * K, device="meta").nbytes,
        "only_a": 32 * 4 * torch.empty(32, 4096, device="meta").numel(),
        "only_b": 32 * 32 * (4096 + 1024 + 1024 + 4096),
        "frozen_weights": 32 * (4096 * 4096 + 4096 * 1024 + 4096 * 1024 + 4096 * 4096),
        "mlp_too": 32 * (Q + K + K + Q + MLP),
        "k_or_v_missing": 32 * (Q + K + Q),
        "q_or_o_missing": 32 * (Q + K + K),
        "heads_for_widths": 32 * (2 * Q + 2 * one_lora(4096, 8)),
        "in_millions": 27.262976,
    },
    "attention_adapters": {
        "kv_as_wide_as_q": with_widths(of_heads, of_heads, of_heads, of_heads),
        "all_as_wide_as_the_model": with_widths(of_model, of_model, of_model, of_model),
        "q_as_wide_as_the_model": with_widths(of_model, of_keys, of_keys, of_model),
        "head_dim_worked_out": lambda C, h, kv, d, n, r: adapters_right(C, h, kv, C // h, n, r),
        "kv_head_dim_worked_out": lambda C, h, kv, d, n, r: with_widths(
            of_heads, lambda C, *_: kv * C // h, lambda C, *_: kv * C // h, of_heads
        )(C, h, kv, d, n, r),
        "o_as_wide_as_the_model": with_widths(of_heads, of_keys, of_keys, of_model),
        "heads_without_width": lambda C, h, kv, d, n, r: adapters_right(C, h, kv, 1, n, r),
        "k_or_v_missing": lambda C, h, kv, d, n, r: (
            n * (2 * one_lora(C, h * d, r) + one_lora(C, kv * d, r))
        ),
        "o_missing": lambda C, h, kv, d, n, r: (
            n * (one_lora(C, h * d, r) + 2 * one_lora(C, kv * d, r))
        ),
        "half_of_them": lambda C, h, kv, d, n, r: (
            n * (one_lora(C, h * d, r) + one_lora(C, kv * d, r))
        ),
        "a_alone": lambda C, h, kv, d, n, r: n * r * sum([C, C, C, h * d]),
        "b_alone": lambda C, h, kv, d, n, r: n * r * sum([h * d, kv * d, kv * d, C]),
        "a_single_layer": lambda C, h, kv, d, n, r: adapters_short(C, h, kv, d, 1, r),
        "rank_one": lambda C, h, kv, d, n, r: adapters_short(C, h, kv, d, n, 1),
        "frozen_matrices": lambda C, h, kv, d, n, r: n * C * d * sum([h, kv, kv, h]),
        "four_bytes_each": lambda C, h, kv, d, n, r: (
            torch.empty(adapters_short(C, h, kv, d, n, r), device="meta").nbytes
        ),
        "one_a_for_three": one_a_for_qkv,
        "heads_in_a_group": kv_heads_per_group,
        "biases_too": biases_too,
    },
    "header_parameters": {
        "bytes_not_weights": bytes_of,
        "one_dtype_for_all": bytes_by_the_first_dtype,
        "four_bytes_a_weight": lambda header: bytes_of(header) // 4,
        "two_bytes_a_weight": lambda header: bytes_of(header) // 2,
        "first_entry_skipped": all_but_the_first,
        "number_of_tensors": lambda header: sum(name != "__metadata__" for name in header),
        "number_of_entries": lambda header: sum(1 for _ in header),
        "sides_added": lambda header: sum(side for e in tensors_of(header) for side in e["shape"]),
        "last_tensor": overwritten,
        "first_tensor": return_in_the_loop,
        "number_without_sides": no_sides_no_numbers,
        "two_sides_at_most": first_two_sides,
        "matrices_alone": matrices_alone,
        "empty_not_empty": empty_tensors_hold_one,
        "same_shape_once": same_shape_once,
        "names_like_metadata": names_with_metadata,
        "names_with_underscore": names_with_underscores,
        "lora_alone": lora_alone,
    },
}
