"""Plausible wrong answers to lesson 08's exercises, and what the refusal has to say."""

WRONG = {
    "label_mask": [
        (
            "def make_labels(input_ids, n_prompt):\n"
            "    return input_ids[:n_prompt] + [-100] * (len(input_ids) - n_prompt)",
            "the mask is on the completion",
        ),
        (
            "def make_labels(input_ids, n_prompt):\n"
            "    return [0] * n_prompt + input_ids[n_prompt:]",
            "0 is a token like any other",
        ),
        (
            "def make_labels(input_ids, n_prompt):\n    return input_ids[n_prompt:]",
            "masked, not cut off",
        ),
        (
            "def make_labels(input_ids, n_prompt):\n    return input_ids.masked_fill(n_prompt)",
            "raised AttributeError",
        ),
    ],
    "optimizer_steps": [
        (
            "def n_steps(n_items, batch_size, accumulation, epochs):\n"
            "    return epochs * (n_items // batch_size // accumulation)",
            "round up",
        ),
        (
            "def n_steps(n_items, batch_size, accumulation, epochs):\n"
            "    return epochs * -(-n_items // batch_size)",
            "accumulation makes one step of several batches",
        ),
    ],
    "median_price": [
        (
            "def median_price(probabilities):\n    return int(probabilities.argmax())",
            "the most likely price, not the median",
        ),
        (
            "def median_price(probabilities):\n"
            "    return float((probabilities * torch.arange(len(probabilities))).sum())",
            "the mean, not the median",
        ),
        (
            "def median_price(probabilities):\n"
            "    return int((probabilities.cumsum(0) < 0.5).sum()) - 1",
            "off by one",
        ),
    ],
}
