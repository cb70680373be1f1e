"""Wrong answers to lesson 06's exercises, and what the check says to each."""

WRONG = {
    "merge": [
        ("def merge(W, A, B, lora_alpha):\n    return W + lora_alpha * B @ A", "off by r"),
        ("def merge(W, A, B, lora_alpha):\n    return W + B @ A", "the scale is missing"),
        (
            "def merge(W, A, B, lora_alpha):\n    return W + lora_alpha / W.shape[1] * B @ A",
            "that divisor is in_features",
        ),
        (
            "def merge(W, A, B, lora_alpha):\n    return lora_alpha / len(A) * B @ A",
            "this is the change alone",
        ),
        (
            "def merge(W, A, B, lora_alpha):\n    return lora_alpha / len(A) * (W + B @ A)",
            "the scale belongs to the change alone",
        ),
        (
            "def merge(W, A, B, lora_alpha):\n    return W + lora_alpha / len(A) * A @ B",
            "raised RuntimeError",
        ),
    ],
    "attention_adapters": [
        (
            "def attention_adapters(hidden_size, n_heads, n_kv_heads, head_dim, n_layers, r):\n"
            "    return n_layers * 4 * r * (hidden_size + n_heads * head_dim)",
            "k and v are narrower than q",
        ),
        (
            "def attention_adapters(hidden_size, n_heads, n_kv_heads, head_dim, n_layers, r):\n"
            "    kv = n_kv_heads * head_dim\n"
            "    return n_layers * 2 * r * (2 * hidden_size + hidden_size + kv)",
            "q's width is n_heads · head_dim",
        ),
        (
            "def attention_adapters(hidden_size, n_heads, n_kv_heads, head_dim, n_layers, r):\n"
            "    kv = hidden_size // n_heads * n_kv_heads\n"
            "    return n_layers * 2 * r * (2 * hidden_size + hidden_size + kv)",
            "head_dim is given",
        ),
        (
            "def attention_adapters(hidden_size, n_heads, n_kv_heads, head_dim, n_layers, r):\n"
            "    q, kv = n_heads * head_dim, n_kv_heads * head_dim\n"
            "    return 2 * r * (2 * hidden_size + q + kv)",
            "this is one layer",
        ),
    ],
    "header_parameters": [
        (
            "def header_parameters(header):\n"
            "    return max(e['data_offsets'][1] for n, e in header.items() if n[0] != '_')",
            "these are bytes",
        ),
        (
            "def header_parameters(header):\n"
            "    return max(e['data_offsets'][1] for n, e in header.items() if n[0] != '_') // 4",
            "four bytes a weight is fp32 only",
        ),
        ("def header_parameters(header):\n    return len(header) - 1", "the number of tensors"),
        (
            "def header_parameters(header):\n"
            "    return sum(sum(e['shape']) for n, e in header.items() if n[0] != '_')",
            "sides added up",
        ),
        (
            "def header_parameters(header):\n"
            "    return sum(torch.Size(entry['shape']).numel() for entry in header.values())",
            "raised KeyError: 'shape'",
        ),
    ],
}
