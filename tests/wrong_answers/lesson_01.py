"""Wrong answers to lesson 01's exercises, and a part of the refusal that each must get."""

WRONG = {
    "broadcast_shape": [
        (
            """
def broadcast_shape(a, b):
    n = max(len(a), len(b))
    a, b = a + (1,) * (n - len(a)), b + (1,) * (n - len(b))
    if any(p != q and 1 not in (p, q) for p, q in zip(a, b)):
        return False
    return tuple(q if p == 1 else p for p, q in zip(a, b))
""",
            "aligned from the left?",
        ),
        (
            """
def broadcast_shape(a, b):
    n = max(len(a), len(b))
    a, b = (1,) * (n - len(a)) + a, (1,) * (n - len(b)) + b
    return tuple(max(p, q) for p, q in zip(a, b))
""",
            "the larger of the two, even where neither is 1?",
        ),
        (
            """
def broadcast_shape(a, b):
    pairs = list(zip(reversed(a), reversed(b)))
    if any(p != q and 1 not in (p, q) for p, q in pairs):
        return False
    return tuple(reversed([max(p, q) for p, q in pairs]))
""",
            "leading dimensions are lost",
        ),
        (
            """
def broadcast_shape(a, b):
    return a if a == b else False
""",
            "a 1 may be stretched to any size",
        ),
    ],
    "masked_mean": [
        (
            """
def masked_mean(x, mask):
    return x.mean(dim=1)
""",
            "the padding is in the mean",
        ),
        (
            """
def masked_mean(x, mask):
    return (x * mask[..., None]).mean(dim=1)
""",
            "divided by T?",
        ),
        (
            """
def masked_mean(x, mask):
    return (x * mask[..., None]).sum(dim=1) / mask.sum()
""",
            "real tokens of the whole batch?",
        ),
        (
            """
def masked_mean(x, mask):
    return x[mask].mean(dim=0)
""",
            "one vector for all sequences?",
        ),
    ],
    "tensor_bytes": [
        (
            """
def tensor_bytes(shape, dtype):
    return math.prod(shape)
""",
            "that is elements: times the bytes of each",
        ),
        (
            """
def tensor_bytes(shape, dtype):
    return math.prod(shape) * dtype.itemsize * 8
""",
            "bits, not bytes?",
        ),
        (
            """
def tensor_bytes(shape, dtype):
    return math.prod(shape) * 4
""",
            "4 bytes each, whatever the dtype?",
        ),
        (
            """
def tensor_bytes(shape, dtype):
    return sum(shape) * dtype.itemsize
""",
            "Elements are their product",
        ),
    ],
}
