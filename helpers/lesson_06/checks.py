"""Checks of lesson 6: merge an adapter, count by hand, count any attention, count from a header."""

import math

import torch

from helpers.exercises import Check, Prediction
from helpers.limits import number, several, text, whole

KNOBS = {  # what each may be; another value is refused (helpers/limits.py)
    "word": text(12),
    "picture_ranks": several(whole(1)),
    **dict.fromkeys(("small_in", "small_out", "small_r"), whole(1)),
    **dict.fromkeys(("small_alpha", "lora_alpha"), number(0)),
    "r": whole(1, 4096),
    "lora_dropout": number(0, 1, low_too=True),
}


def _layer(out_features, in_features, r, lora_alpha, seed):
    generator = torch.Generator().manual_seed(seed)
    shapes = (out_features, in_features), (r, in_features), (out_features, r)
    return *(torch.randn(shape, generator=generator) for shape in shapes), lora_alpha


# Exercise 1: W (out, in), A (r, in), B (out, r), lora_alpha → the merged weight (out, in)


def merged(W, A, B, lora_alpha):
    return torch.addmm(W, B, A, alpha=lora_alpha / len(A))


def alpha_alone(W, A, B, lora_alpha):
    """Off by r: the change is scaled by lora_alpha / r, and r is A's number of rows."""
    return W + lora_alpha * (B @ A)


def no_scale(W, A, B, lora_alpha):
    """The scale is missing: the change is (lora_alpha / r) · B · A."""
    return W + B @ A


def scale_upside_down(W, A, B, lora_alpha):
    """Upside down: the scale is lora_alpha / r."""
    return W + len(A) / lora_alpha * (B @ A)


def divided_by_in_features(W, A, B, lora_alpha):
    """That divisor is in_features: r is A's number of rows."""
    return W + lora_alpha / A.shape[1] * (B @ A)


def divided_by_out_features(W, A, B, lora_alpha):
    """That divisor is out_features: r is A's number of rows."""
    return W + lora_alpha / len(B) * (B @ A)


def divided_by_small_r(W, A, B, lora_alpha):
    """That divisor is the lesson's small_r: take r from A, whatever A you are given."""
    return W + lora_alpha / 4 * (B @ A)


def divided_without_rest(W, A, B, lora_alpha):
    """The operator // drops the fraction of lora_alpha / r: use /."""
    return W + lora_alpha // len(A) * (B @ A)


def change_alone(W, A, B, lora_alpha):
    """This is the change alone: the frozen W stays, and the change is added."""
    return lora_alpha / len(A) * (B @ A)


def w_scaled_too(W, A, B, lora_alpha):
    """The scale belongs to the change alone: W is not scaled."""
    return lora_alpha / len(A) * (W + B @ A)


def change_subtracted(W, A, B, lora_alpha):
    """The change is subtracted: it is added to W."""
    return W - lora_alpha / len(A) * (B @ A)


def smaller_side(W, A, B, lora_alpha):
    """r is A's number of rows, even where another side is smaller."""
    return W + lora_alpha / min(*A.shape, len(B)) * (B @ A)


def root_of_r(W, A, B, lora_alpha):
    """Divided by the root of r: the scale is lora_alpha / r."""
    return W + lora_alpha / math.sqrt(len(A)) * (B @ A)


def alpha_cut(W, A, B, lora_alpha):
    """lora_alpha need not be a whole number: do not cut it."""
    return W + int(lora_alpha) / len(A) * (B @ A)


def scaled_twice(W, A, B, lora_alpha):
    """The scale comes in twice: scale A, B or their product, once."""
    return W + (lora_alpha / len(A)) ** 2 * (B @ A)


def merged_transposed(W, A, B, lora_alpha):
    """The merged weight is transposed: it has the shape of W, (out_features, in_features)."""
    return merged(W, A, B, lora_alpha).T


merge = Check(
    reference=merged,
    cases=[
        _layer(5, 7, 2, 6.0, seed=1),
        _layer(6, 3, 4, 2.0, seed=2),
        _layer(3, 7, 5, 8, seed=3),
        _layer(4, 4, 1, 2.5, seed=4),
        _layer(2, 5, 3, 0.75, seed=5),
    ],
    mistakes=[
        alpha_alone,
        no_scale,
        scale_upside_down,
        divided_by_in_features,
        divided_by_out_features,
        divided_by_small_r,
        divided_without_rest,
        change_alone,
        w_scaled_too,
        change_subtracted,
        smaller_side,
        root_of_r,
        alpha_cut,
        scaled_twice,
        merged_transposed,
    ],
    notice="A merged model is as fast as its base, and no longer needs peft.",
)


# Exercise 2: a number, the weights of LoRA at r = 32 on q, k, v, o of Llama 3.1 8B
WIDE, NARROW, LAYERS, R = 4096, 8 * 128, 32, 32


def counted():
    return LAYERS * R * (2 * (WIDE + WIDE) + 2 * (WIDE + NARROW))


def k_and_v_as_wide_as_q():
    """All four are taken as 4096 × 4096: keys and values have 8 heads of 128 numbers, not 32."""
    return LAYERS * R * 4 * (WIDE + WIDE)


def one_head_of_keys():
    """The width of k and v is that of one head: they have 8 heads each."""
    return LAYERS * R * (2 * (WIDE + WIDE) + 2 * (WIDE + 128))


def one_layer():
    """This is one layer at rank 32, or 32 layers at rank 1: multiply by 32 once more."""
    return counted() // 32


def half():
    """This is half: all four matrices have an adapter, and each adapter an A and a B."""
    return counted() // 2


def twice():
    """This is twice the count: lora_alpha adds no weights, and bytes come later."""
    return counted() * 2


def bytes_in_fp32():
    """These are bytes in fp32, four for each weight: count the weights."""
    return counted() * 4


def only_a():
    """A is counted, B is missing: B has out_features · r weights."""
    return LAYERS * R * 4 * WIDE


def only_b():
    """B is counted, A is missing: A has r · in_features weights."""
    return LAYERS * R * (2 * WIDE + 2 * NARROW)


def frozen_weights():
    """These are the frozen weights: an adapter has r · (in_features + out_features)."""
    return LAYERS * (2 * WIDE * WIDE + 2 * WIDE * NARROW)


def mlp_too():
    """The MLP's three matrices are counted too: only q, k, v and o have an adapter here."""
    return counted() + LAYERS * R * 3 * (WIDE + 14336)


def k_or_v_missing():
    """One matrix is missing: keys and values have one each."""
    return counted() - LAYERS * R * (WIDE + NARROW)


def q_or_o_missing():
    """One matrix is missing: queries and output have one each."""
    return counted() - LAYERS * R * (WIDE + WIDE)


def heads_for_widths():
    """8 is the number of heads: k and v are 8 times 128 wide."""
    return LAYERS * R * (2 * (WIDE + WIDE) + 2 * (WIDE + 8))


def in_millions():
    """These are millions: return the number itself."""
    return counted() / 1e6


my_count = Check(
    reference=counted,
    cases=[()],
    mistakes=[
        k_and_v_as_wide_as_q,
        one_head_of_keys,
        one_layer,
        half,
        twice,
        bytes_in_fp32,
        only_a,
        only_b,
        frozen_weights,
        mlp_too,
        k_or_v_missing,
        q_or_o_missing,
        heads_for_widths,
        in_millions,
    ],
    notice="Now see whether peft and a file on disk give the same number.",
    rel_tol=0,
)


# Exercise 3: hidden_size, n_heads, n_kv_heads, head_dim, n_layers, r → weights on q, k, v, o


def _total(hidden_size, q_width, kv_width, n_layers, r):
    return n_layers * 2 * r * (hidden_size + q_width + hidden_size + kv_width)


def adapters(hidden_size, n_heads, n_kv_heads, head_dim, n_layers, r):
    return _total(hidden_size, n_heads * head_dim, n_kv_heads * head_dim, n_layers, r)


def kv_as_wide_as_q(hidden_size, n_heads, n_kv_heads, head_dim, n_layers, r):
    """Keys and values are narrower than queries: their width is n_kv_heads · head_dim."""
    return _total(hidden_size, n_heads * head_dim, n_heads * head_dim, n_layers, r)


def all_as_wide_as_the_model(hidden_size, n_heads, n_kv_heads, head_dim, n_layers, r):
    """All four are taken as hidden_size wide: use the widths of the heads."""
    return _total(hidden_size, hidden_size, hidden_size, n_layers, r)


def q_as_wide_as_the_model(hidden_size, n_heads, n_kv_heads, head_dim, n_layers, r):
    """The width of q is n_heads · head_dim, which need not be hidden_size."""
    return _total(hidden_size, hidden_size, n_kv_heads * head_dim, n_layers, r)


def head_dim_worked_out(hidden_size, n_heads, n_kv_heads, head_dim, n_layers, r):
    """A head's width is given as head_dim: it need not be hidden_size / n_heads."""
    return _total(hidden_size, hidden_size, n_kv_heads * (hidden_size // n_heads), n_layers, r)


def kv_head_dim_worked_out(hidden_size, n_heads, n_kv_heads, head_dim, n_layers, r):
    """For keys and values too a head is head_dim wide, not hidden_size / n_heads."""
    kv_width = n_kv_heads * (hidden_size // n_heads)
    return _total(hidden_size, n_heads * head_dim, kv_width, n_layers, r)


def o_as_wide_as_the_model(hidden_size, n_heads, n_kv_heads, head_dim, n_layers, r):
    """The matrix o leads from the width of q back to hidden_size: it counts as much as q."""
    right = adapters(hidden_size, n_heads, n_kv_heads, head_dim, n_layers, r)
    return right + n_layers * r * (hidden_size - n_heads * head_dim)


def heads_without_width(hidden_size, n_heads, n_kv_heads, head_dim, n_layers, r):
    """Those are numbers of heads: a width is the number of heads times head_dim."""
    return _total(hidden_size, n_heads, n_kv_heads, n_layers, r)


def k_or_v_missing(hidden_size, n_heads, n_kv_heads, head_dim, n_layers, r):
    """One matrix is missing: keys and values have one each."""
    right = adapters(hidden_size, n_heads, n_kv_heads, head_dim, n_layers, r)
    return right - n_layers * r * (hidden_size + n_kv_heads * head_dim)


def o_missing(hidden_size, n_heads, n_kv_heads, head_dim, n_layers, r):
    """One matrix is missing: o has an adapter too."""
    right = adapters(hidden_size, n_heads, n_kv_heads, head_dim, n_layers, r)
    return right - n_layers * r * (hidden_size + n_heads * head_dim)


def half_of_them(hidden_size, n_heads, n_kv_heads, head_dim, n_layers, r):
    """This is half: q and o count the same, and so do k and v, so each size comes twice."""
    return adapters(hidden_size, n_heads, n_kv_heads, head_dim, n_layers, r) // 2


def a_alone(hidden_size, n_heads, n_kv_heads, head_dim, n_layers, r):
    """These are the A matrices alone: each B has out_features · r weights more."""
    return n_layers * r * (3 * hidden_size + n_heads * head_dim)


def b_alone(hidden_size, n_heads, n_kv_heads, head_dim, n_layers, r):
    """These are the B matrices alone: each A has r · in_features weights more."""
    return n_layers * r * (n_heads * head_dim + 2 * n_kv_heads * head_dim + hidden_size)


def a_single_layer(hidden_size, n_heads, n_kv_heads, head_dim, n_layers, r):
    """This is one layer: multiply by n_layers."""
    return adapters(hidden_size, n_heads, n_kv_heads, head_dim, 1, r)


def rank_one(hidden_size, n_heads, n_kv_heads, head_dim, n_layers, r):
    """This is rank 1: multiply by r."""
    return adapters(hidden_size, n_heads, n_kv_heads, head_dim, n_layers, 1)


def frozen_matrices(hidden_size, n_heads, n_kv_heads, head_dim, n_layers, r):
    """These are the frozen matrices: an adapter has r · (in_features + out_features)."""
    return n_layers * 2 * hidden_size * (n_heads * head_dim + n_kv_heads * head_dim)


def four_bytes_each(hidden_size, n_heads, n_kv_heads, head_dim, n_layers, r):
    """These are bytes in fp32: return the number of weights."""
    return 4 * adapters(hidden_size, n_heads, n_kv_heads, head_dim, n_layers, r)


def one_a_for_three(hidden_size, n_heads, n_kv_heads, head_dim, n_layers, r):
    """q, k and v have an A each."""
    right = adapters(hidden_size, n_heads, n_kv_heads, head_dim, n_layers, r)
    return right - n_layers * r * 2 * hidden_size


def heads_in_a_group(hidden_size, n_heads, n_kv_heads, head_dim, n_layers, r):
    """n_kv_heads is the number of key heads, not of the queries that share one."""
    kv_width = n_heads // n_kv_heads * head_dim
    return _total(hidden_size, n_heads * head_dim, kv_width, n_layers, r)


def biases_too(hidden_size, n_heads, n_kv_heads, head_dim, n_layers, r):
    """An adapter has no bias."""
    right = adapters(hidden_size, n_heads, n_kv_heads, head_dim, n_layers, r)
    return right + n_layers * (hidden_size + (n_heads + 2 * n_kv_heads) * head_dim)


attention_adapters = Check(
    reference=adapters,
    cases=[
        (5120, 32, 8, 128, 40, 16),  # Mistral Small: queries narrower than the model
        (1024, 16, 8, 128, 28, 32),  # Qwen3 0.6B: queries wider than the model
        (3072, 16, 16, 256, 28, 8),  # Gemma 7B: as many key and value heads as query heads
        (96, 6, 1, 20, 3, 5),  # one key head for all
        (4096, 32, 8, 128, 32, 32),  # Llama 3.1 8B: heads that do add up to hidden_size
        (7, 3, 2, 5, 1, 1),
    ],
    mistakes=[
        kv_as_wide_as_q,
        all_as_wide_as_the_model,
        q_as_wide_as_the_model,
        head_dim_worked_out,
        kv_head_dim_worked_out,
        o_as_wide_as_the_model,
        heads_without_width,
        k_or_v_missing,
        o_missing,
        half_of_them,
        a_alone,
        b_alone,
        a_single_layer,
        rank_one,
        frozen_matrices,
        four_bytes_each,
        one_a_for_three,
        heads_in_a_group,
        biases_too,
    ],
    notice="In Qwen3 the queries are wider than the model, so hidden_size alone would not do.",
    rel_tol=0,
)


# Exercise 4: a safetensors header, {name: {"dtype", "shape", "data_offsets"}} → weights in the file
N_BYTES = {"F32": 4, "BF16": 2}


def _header(*tensors, metadata=True):
    header, start = {"__metadata__": {"format": "pt"}} if metadata else {}, 0
    for name, (dtype, *shape) in zip("ABCDE", tensors, strict=False):
        end = start + N_BYTES[dtype] * math.prod(shape)
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}
        start = end
    return header


def _renamed(header):
    """`header` with names that look like the metadata's, and one of an adapter's."""
    names = {"A": "_scale", "B": "metadata_head.weight", "C": "layers.0.lora_A.weight"}
    return {names.get(name, name): entry for name, entry in header.items()}


def _tensors(header):
    return [entry for name, entry in header.items() if name != "__metadata__"]


def _n_bytes(header):
    return max(entry["data_offsets"][1] for entry in _tensors(header))


def from_shapes(header):
    return sum(math.prod(entry["shape"]) for entry in _tensors(header))


def bytes_not_weights(header):
    """These are bytes: a weight takes several, the shape counts weights."""
    return _n_bytes(header)


def four_bytes_a_weight(header):
    """Four bytes a weight is right in fp32 only: the shape is right for every dtype."""
    return _n_bytes(header) / 4


def two_bytes_a_weight(header):
    """Two bytes a weight is right in bf16 only: the shape is right for every dtype."""
    return _n_bytes(header) / 2


def one_dtype_for_all(header):
    """A file may mix dtypes, so bytes do not tell the weights: the shape does."""
    return _n_bytes(header) / N_BYTES[_tensors(header)[0]["dtype"]]


def first_entry_skipped(header):
    """The metadata need not be there: leave it out by its name, not by its place."""
    return sum(math.prod(entry["shape"]) for entry in list(header.values())[1:])


def number_of_tensors(header):
    """This is the number of tensors: add up what their shapes hold."""
    return len(_tensors(header))


def number_of_entries(header):
    """This is the number of entries: add up what the tensors' shapes hold."""
    return len(header)


def sides_added(header):
    """Sides are added up: a tensor holds the product of its shape."""
    return sum(sum(entry["shape"]) for entry in _tensors(header))


def last_tensor(header):
    """This is one tensor: add all of them up."""
    return math.prod(_tensors(header)[-1]["shape"])


def first_tensor(header):
    """This is the first tensor: is the `return` inside the loop?"""
    return math.prod(_tensors(header)[0]["shape"])


def number_without_sides(header):
    """A tensor of shape [] holds one number, not none."""
    return sum(math.prod(entry["shape"]) for entry in _tensors(header) if entry["shape"])


def two_sides_at_most(header):
    """A tensor may have more than two dimensions: multiply all of its shape."""
    return sum(math.prod(entry["shape"][:2]) for entry in _tensors(header))


def matrices_alone(header):
    """A tensor need not be a matrix: count vectors and numbers too."""
    return sum(math.prod(e["shape"]) for e in _tensors(header) if len(e["shape"]) == 2)


def empty_not_empty(header):
    """A tensor with a side of 0 holds no numbers."""
    return sum(math.prod(side for side in e["shape"] if side) for e in _tensors(header))


def same_shape_once(header):
    """Two tensors of the same shape are two: count both."""
    return sum(math.prod(shape) for shape in {tuple(e["shape"]) for e in _tensors(header)})


def names_like_metadata(header):
    """Only the entry "__metadata__" is no tensor: compare the whole name."""
    return sum(math.prod(e["shape"]) for name, e in header.items() if "metadata" not in name)


def names_with_underscore(header):
    """Only the entry "__metadata__" is no tensor: compare the whole name."""
    return sum(math.prod(e["shape"]) for name, e in header.items() if not name.startswith("_"))


def lora_alone(header):
    """Every tensor of the file counts, whatever its name."""
    return sum(math.prod(e["shape"]) for name, e in header.items() if "lora" in name)


header_parameters = Check(
    reference=from_shapes,
    cases=[
        (_header(["F32", 2, 7], ["F32", 5, 2]),),
        (_header(["BF16", 3, 4], ["BF16", 6, 3], ["BF16"], ["BF16", 3]),),
        (_header(["F32", 4, 3], ["BF16", 10, 3]),),  # a whole number of 4 bytes
        (_header(["F32", 2, 3], ["F32", 5, 2], metadata=False),),
        (_header(["F32", 2, 3, 4], ["BF16", 6], ["F32", 2, 0, 3]),),
        (_header(["BF16", 3, 2], ["BF16", 4, 3], ["BF16", 3, 2], metadata=False),),
        (dict(reversed(_header(["F32", 4, 2], ["BF16", 3, 4]).items())),),  # metadata last
        (_renamed(_header(["F32", 2, 3], ["F32", 4, 2], ["BF16", 4])),),
    ],
    mistakes=[
        bytes_not_weights,
        one_dtype_for_all,  # before the next two: in the mixed file it is the same as one of them
        four_bytes_a_weight,
        two_bytes_a_weight,
        first_entry_skipped,
        number_of_tensors,
        number_of_entries,
        sides_added,
        last_tensor,
        first_tensor,
        number_without_sides,
        two_sides_at_most,
        matrices_alone,
        empty_not_empty,
        same_shape_once,
        names_like_metadata,
        names_with_underscore,
        lora_alone,
    ],
    notice="It counts any adapter from the Hub without loading a single weight.",
    rel_tol=0,
)

# what the learner predicts, in the lesson's order
all_seven = Prediction("times", near=1.1)
