"""Wrong answers to lesson 02's exercises, and what each one's refusal must say."""

WRONG = {
    "chain_slope": [
        ("def chain_slope(x):\n    return math.exp(-(x**2))", "the outer slope alone"),
        ("def chain_slope(x):\n    return 2 * x * math.exp(-(x**2))", "the sign is lost"),
        ("def chain_slope(x):\n    return math.exp(-2 * x)", "stands in the exponent"),
        ("def chain_slope(x):\n    return -2 * x", "the inner slope alone"),
    ],
    "divide_slopes": [
        ("def divide_slopes(a, b):\n    return 1 / b, a / b**2", "the sign of b's slope"),
        ("def divide_slopes(a, b):\n    return -a / b**2, 1 / b", "swapped"),
        ("def divide_slopes(a, b):\n    return b, a", "these are the slopes of a × b"),
        ("def divide_slopes(a, b):\n    return 1 / b, -a / b", "with the square of b"),
        ("def divide_slopes(a, b):\n    return 1 / b, -1 / b**2", "b's slope holds a too"),
    ],
    "adapter_gradients": [
        (
            "def adapter_gradients(x, A, B, dy):\n    return dy.T @ (x @ A.T), (dy @ B).T @ x",
            "swapped: dA comes first",
        ),
        (
            "def adapter_gradients(x, A, B, dy):\n    return x.T @ (dy @ B), (x @ A.T).T @ dy",
            "transposed",
        ),
        (
            "def adapter_gradients(x, A, B, dy):\n"
            "    return (dy @ B).T @ x / len(x), dy.T @ (x @ A.T) / len(x)",
            "averaged over the rows",
        ),
        (
            "def adapter_gradients(x, A, B, dy):\n    return (dy @ B).T @ x, dy.T @ x",
            "dB takes what comes into B",
        ),
    ],
}
