"""Widgets of lesson 6: a word out of stripes, and the calculator of LoRA's weights and bytes.

No torch at import time; what ipywidgets 7.7 (Colab) and 8.1 share is in `helpers.widgets`.
"""

import functools
import io
from html import escape

import ipywidgets
import numpy as np
from IPython.display import display
from PIL import Image

from helpers import counting, widgets
from helpers.lesson_06.plots import RANKS, letters
from helpers.shapes import is_ordinary, shapes_in

ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj", "c_attn")
HEIGHT, WIDTH = 120, 320  # of the picture of a word
MAX_RANK = 40  # of the slider: from there on nothing changes that one sees


def show_stripes(word: str, rank: int = 4) -> None:
    """Display a box to type a word into, its copy of low rank, and a slider for the rank.

    Without a kernel a sentence points at the still picture of the same, `plots.rebuilt`.
    """
    display(stripes(word, rank))
    note = "The picture above shows the same word at a few ranks. Run the cell to move the rank."
    widgets.static_note(note)


def stripes(word: str, rank: int = 4) -> ipywidgets.VBox:
    """`show_stripes` as one box: word, rank, picture, and the answer as its last child."""
    typed = ipywidgets.Text(
        value=word, description="word", style=widgets.NAMED, layout=widgets.APART
    )
    number, slider = widgets.knob("rank", rank, 1, MAX_RANK)
    wide = {"width": "100%", "max_width": "480px", "margin": "2px 0"}
    picture = ipywidgets.Image(format="png", layout=wide)
    pieces = {}  # of the word last seen: a moved rank needs no new decomposition

    def answer():
        if typed.value not in pieces:
            matrix = letters(typed.value, HEIGHT, WIDTH)
            pieces.clear()
            pieces[typed.value] = np.linalg.svd(matrix, full_matrices=False)
        U, S, Vh = pieces[typed.value]
        r = number.value
        picture.value = _png((U[:, :r] * S[:r]) @ Vh[:r])
        stored, missing = r * (HEIGHT + WIDTH), np.linalg.norm(S[r:]) / np.linalg.norm(S)
        full = HEIGHT * WIDTH
        return f"rank {r}: {stored:,} numbers instead of {full:,}, {missing:.0%} is missing", ""

    said = widgets.answer_to(answer, typed, number)
    return ipywidgets.VBox([widgets.row([typed, number, slider]), picture, said])


def _png(ink):
    """Ink of 0 to 1 as the bytes of a PNG, black on white, two pixels for each number."""
    grey = (255 * (1 - ink.clip(0, 1))).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(grey).resize((2 * WIDTH, 2 * HEIGHT)).save(buffer, format="png")
    return buffer.getvalue()


def other_models() -> dict:
    """{name: config} of four more families, typed in from their published configurations."""
    from transformers import GemmaConfig, GPT2Config, MistralConfig, Qwen3Config

    return {
        "Mistral 7B v0.3": MistralConfig(vocab_size=32768, num_key_value_heads=8),
        "Qwen3 0.6B": Qwen3Config(
            hidden_size=1024,
            num_hidden_layers=28,
            num_attention_heads=16,
            num_key_value_heads=8,
            head_dim=128,
            intermediate_size=3072,
            tie_word_embeddings=True,
        ),
        "Gemma 7B": GemmaConfig(),
        "GPT-2": GPT2Config(),
    }


def show_calculator(configs: dict, r: int = 32) -> None:
    """Display the calculator and, folded below it, its first answer as an ordinary table.

    Arguments: as in `calculator`.
    """
    display(calculator(configs, r))
    name, config = next(iter(configs.items()))
    shapes, n_base, _ = shapes_and_size(config)
    chosen = first_choice(shapes)
    total, head, cells = lora_table(shapes, n_base, r, chosen)
    html, text = widgets.table(head, cells)
    widgets.static_twin(
        f"No widget above? The answer at r = {r}",
        f"<p>{escape(name)}: {escape(total)}</p>{html}",
        f"{name}: {total}\n{text}",
    )


def calculator(configs: dict, r: int = 32) -> ipywidgets.VBox:
    """A box of choices (model, rank, target modules) whose last child says the count.

    configs: {name of a model: its transformers config}; the first one is chosen.
    r: where the rank starts. A name that is ticked or not stays so in the next model that has it.
    With more than ordinary matrices in a model, peft is asked too, and the box says what it refuses.
    Raises ValueError if one of the configs is not that of a language model.
    """
    models = {name: shapes_and_size(config) for name, config in configs.items()}
    model = widgets.dropdown("model", models)
    rank = widgets.dropdown("rank r", sorted({*RANKS, r}), r)
    modules = widgets.row()
    ticks = {}  # name of a module: its box, kept when the model changes

    @functools.cache
    def checked(name, chosen):
        counting.lora_shapes(configs[name], chosen)

    def answer():
        shapes, n_base, ordinary = models[model.value]
        names = counting.module_names(shapes)
        for name in names:
            if name not in ticks:
                ticks[name] = widgets.tick(name, name in first_choice(shapes))
                said.follow(ticks[name])
        modules.children = [ticks[name] for name in names]
        chosen = [name for name in names if ticks[name].value]
        if chosen and not ordinary:
            checked(model.value, tuple(chosen))
        total, head, cells = lora_table(shapes, n_base, rank.value, chosen)
        return total, widgets.table(head, cells)[0]

    said = widgets.Answer(answer)
    said.follow(model, rank)
    said.update()
    return ipywidgets.VBox([widgets.row([model, rank]), modules, said])


def shapes_and_size(config):
    """(shapes of all linear layers, parameters, whether the formula is right for all of them)."""
    model = counting.meta_model(config)
    n_base = sum(parameter.numel() for parameter in model.parameters())
    return shapes_in(model, linear_only=True), n_base, is_ordinary(model)


def lora_table(shapes: dict, n_base: int, r: int, chosen: list[str]):
    """The count by kind of matrix: (the total as a sentence, head of the table, its cells as text).

    shapes: {full name: (in_features, out_features)}; n_base: parameters of the model.
    chosen: last parts of module names. Raises ValueError if none, or if r is not 1 or more.
    """
    if not chosen:
        raise ValueError("no target module chosen: tick at least one")
    cells, total = [], 0
    for name in chosen:
        found = [shape for full, shape in shapes.items() if full.split(".")[-1] == name]
        sizes = " and ".join(sorted({f"{i:,} → {o:,}" for i, o in found}))
        weights = counting.count(found, r)
        total += weights
        cells.append([name, sizes, f"{len(found)}", f"{weights:,}"])
    fp32, bf16 = (counting.n_bytes(total, dtype) / 1e6 for dtype in ("fp32", "bf16"))
    share = f"{100 * total / n_base:.2f} %"
    said = (
        f"{total:,} weights: {fp32:,.2f} MB in fp32, {bf16:,.2f} MB in bf16; "
        f"{share} of the base's {n_base:,}"
    )
    return said, ["matrix", "in → out", "how many", f"weights at r = {r}"], cells


def first_choice(shapes):
    """The names ticked at the start: attention's, or else the first one."""
    names = counting.module_names(shapes)
    return [name for name in names if name in ATTENTION] or names[:1]
