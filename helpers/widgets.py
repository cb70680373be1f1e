"""The calculator of lesson 06: a model, a rank, target modules → weights and bytes.

Written to what ipywidgets 7.7 (Colab) and 8.1 share. No torch at import time.
"""

from html import escape

import ipywidgets
from IPython.display import display

from helpers import sizing

RANKS = [2**power for power in range(9)]  # 1 to 256
ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj", "c_attn")
CELL = 'style="text-align: right; padding: 1px 10px"'


def show_lora_calculator(configs: dict, r: int = 32) -> None:
    """Display the calculator, and below it its first answer as an ordinary table.

    The table is what stands where no kernel runs: on the web, or in a file just opened.
    Arguments: as in `lora_calculator`.
    """
    display(lora_calculator(configs, r))
    name, config = next(iter(configs.items()))
    shapes = sizing.module_shapes(config, inner=True)
    html, text = lora_table(shapes, sizing.n_parameters(config), r, _first_choice(shapes))
    display(
        {"text/html": f"<p>{escape(name)}:</p>{html}", "text/plain": f"{name}:\n{text}"}, raw=True
    )


def lora_calculator(configs: dict, r: int = 32) -> ipywidgets.VBox:
    """A box of choices (model, rank, target modules) whose last child says the count.

    configs: {name of a model: its transformers config}; the first one is chosen.
    r: where the rank starts.
    Whatever goes wrong in a choice is said in the last child, in place of the table.
    """
    models = {
        name: (sizing.module_shapes(config, inner=True), sizing.n_parameters(config))
        for name, config in configs.items()
    }
    ranks = sorted({*RANKS, r})
    model = ipywidgets.Dropdown(options=list(models), description="model")
    rank = ipywidgets.SelectionSlider(
        options=ranks, value=r, description="r", continuous_update=False
    )
    modules = ipywidgets.HBox(layout=ipywidgets.Layout(flex_flow="row wrap"))
    said = ipywidgets.HTML()

    def count(_=None):
        shapes, n_base = models[model.value]
        chosen = [choice.description for choice in modules.children if choice.value]
        try:
            said.value, _ = lora_table(shapes, n_base, rank.value, chosen)
        except ValueError as error:  # a choice that cannot be counted, in a sentence
            said.value = f"<b>✗ {escape(str(error))}</b>"
        except Exception as error:  # a callback's error shows nowhere else in the notebook
            said.value = f"<b>✗ {type(error).__name__}: {escape(str(error))}</b>"

    def offer(_=None):
        shapes, _ = models[model.value]
        choices = []
        for name in sizing.module_names(shapes):
            ticked = name in _first_choice(shapes)
            choice = ipywidgets.Checkbox(value=ticked, description=name, indent=False)
            choice.layout.width = "auto"
            choice.observe(count, "value")
            choices.append(choice)
        modules.children = choices
        count()

    model.observe(offer, "value")
    rank.observe(count, "value")
    offer()
    return ipywidgets.VBox([model, rank, modules, said])


def lora_table(shapes: dict, n_base: int, r: int, chosen: list[str]) -> tuple[str, str]:
    """The count by kind of matrix, as (HTML, plain text).

    shapes: {full name: (in_features, out_features)}; n_base: parameters of the model.
    chosen: last parts of module names. Raises ValueError if none, or if r is not 1 or more.
    """
    if not chosen:
        raise ValueError("no target module chosen: tick at least one")
    rows = []
    for name in chosen:
        found = [shape for full, shape in shapes.items() if full.split(".")[-1] == name]
        sizes = sorted({f"{i:,} → {o:,}" for i, o in found})
        rows.append((name, " and ".join(sizes), len(found), sizing.count(found, r)))
    total = sum(row[-1] for row in rows)
    head = ("matrix", "in → out", "how many", f"weights at r = {r}")
    mb, half = (sizing.n_bytes(total, dtype) / 1e6 for dtype in ("fp32", "bf16"))
    summary = (
        f"{total:,} weights: {mb:,.2f} MB in fp32, {half:,.2f} MB in bf16; "
        f"{total / n_base:.2%} of the base's {n_base:,}".replace("%", " %")
    )
    cells = [[name, size, f"{n}", f"{weights:,}"] for name, size, n, weights in rows]
    return _html(head, cells, summary), _text(head, cells, summary)


def _first_choice(shapes):
    """The names ticked at the start: attention's, or else the first one."""
    names = sizing.module_names(shapes)
    return [name for name in names if name in ATTENTION] or names[:1]


def _html(head, cells, summary):
    def row(tag, items):
        return "<tr>" + "".join(f"<{tag} {CELL}>{escape(item)}</{tag}>" for item in items) + "</tr>"

    body = "".join(row("td", items) for items in cells)
    return f"<table>{row('th', head)}{body}</table><p><b>{escape(summary)}</b></p>"


def _text(head, cells, summary):
    widths = [max(len(line[i]) for line in [head, *cells]) for i in range(len(head))]
    lines = [
        "  ".join(item.rjust(w) for item, w in zip(line, widths, strict=True))
        for line in [head, *cells]
    ]
    return "\n".join([*lines, summary])
