"""Models without weights: the shapes of what a Hugging Face config describes.

Nothing is downloaded and no weight is allocated. torch and transformers are imported when a
function first needs them.
"""

import copy
import re

# The kinds of model that a config can describe: the whole before its text part or decoder alone
KINDS = ("ImageTextToText", "Seq2SeqLM", "SpeechSeq2Seq", "CausalLM", "MaskedLM")
_newest = {}  # of `shared_model`


def llama_3_1_8b():
    """The config of Llama 3.1 8B, as lesson 6 writes it out: 8,030,261,248 parameters."""
    return _llama_3_1(4096, 14336, num_hidden_layers=32, num_attention_heads=32)


def llama_3_1_70b():
    """The config of Llama 3.1 70B: 70,553,706,496 parameters."""
    return _llama_3_1(8192, 28672, num_hidden_layers=80, num_attention_heads=64)


def _llama_3_1(hidden_size, intermediate_size, **layers):
    from transformers import LlamaConfig

    return LlamaConfig(
        vocab_size=128256,
        hidden_size=hidden_size,
        intermediate_size=intermediate_size,
        num_key_value_heads=8,
        tie_word_embeddings=False,
        **layers,
    )


def meta_model(config):
    """The language model of `config` on the meta device: shapes, no storage.

    config: a transformers config; it is left as it was. If it describes more than a text model
        (also images, or an encoder), the whole is built; `config.get_text_config()` is the text.
    Raises ValueError if transformers has no language model for it, or cannot build that.
    """
    import torch
    import transformers

    name = type(config).__name__
    kinds = [getattr(transformers, f"AutoModelFor{kind}") for kind in KINDS]
    able = [kind for kind in kinds if type(config) in kind._model_mapping]
    if not able:
        raise ValueError(
            f"{name} is not the config of a language model: take one of a model that writes text, "
            "such as LlamaConfig"
        )
    try:
        with torch.device("meta"):
            return able[0].from_config(copy.deepcopy(config))
    except Exception as error:  # whatever the model's own code raises
        raise ValueError(
            f"transformers cannot build the model of this {name}: {first_sentence(error)}; check "
            "the config's values, and whether the model needs a package that is not installed"
        ) from error


def shared_model(config):
    """`meta_model` of `config`, to be read and not changed: built again only for another config.

    Errors as there.
    """
    key = type(config), str(config)  # a config's text is its JSON
    if key not in _newest:
        model = meta_model(config)
        _newest.clear()
        _newest[key] = model
    return _newest[key]


def first_sentence(error: Exception) -> str:
    """What an error's message says first, in 200 characters at most."""
    said = " ".join(str(error).split()) or type(error).__name__
    said = re.sub(r"^\[.*?\] ", "", said)  # peft's "[PEFT:LORA] "
    return re.split(r"(?<=[^.]{3})\. ", said)[0].rstrip(".")[:200]


def n_parameters(config) -> int:
    """Parameters of the model of `config`; tied embeddings count once."""
    return sum(parameter.numel() for parameter in shared_model(config).parameters())


def module_shapes(config, linear_only: bool = False) -> dict[str, tuple[int, int]]:
    """{module's full name: (in_features, out_features)} of every matrix that LoRA can adapt.

    These are Linear layers, GPT-2's Conv1D, whose weight is stored the other way round, and
    embeddings, which map num_embeddings one-hot features to embedding_dim. Convolutions, and
    experts that share one parameter of three dimensions, are not among them.
    linear_only: leave out the embeddings and the output head, as peft's "all-linear" does.
    """
    return shapes_in(shared_model(config), linear_only)


def shapes_in(model, linear_only: bool = False) -> dict[str, tuple[int, int]]:
    """`module_shapes` of a model that is there already."""
    from torch.nn import Embedding, Linear
    from transformers.pytorch_utils import Conv1D

    shapes = {}
    head = model.get_output_embeddings()
    for name, module in model.named_modules():
        if linear_only and (isinstance(module, Embedding) or module is head):
            continue
        if isinstance(module, Linear):
            shapes[name] = module.in_features, module.out_features
        elif isinstance(module, Conv1D | Embedding):
            shapes[name] = tuple(module.weight.shape)
    return shapes


def module_names(shapes: dict[str, tuple[int, int]]) -> list[str]:
    """The last parts of the modules' names, once each, in the model's order."""
    return list(dict.fromkeys(name.split(".")[-1] for name in shapes))


def is_ordinary(model) -> bool:
    """Whether all weights of `model` are matrices of Linear, Conv1D and Embedding, or vectors.

    Not so with convolutions, with experts that share a parameter, and in mixtures of experts in
    general, for which peft translates the names of the target modules.
    """
    from torch.nn import Embedding, Linear
    from transformers.pytorch_utils import Conv1D

    if any("expert" in key for key in model.config.to_dict()):
        return False
    others = (m for m in model.modules() if not isinstance(m, Linear | Conv1D | Embedding))
    return all(p.dim() == 1 for module in others for p in module.parameters(recurse=False))


def quantized_shapes(model) -> dict[str, tuple[int, int]]:
    """{module's full name: (in_features, out_features)} of the matrices that bitsandbytes packs.

    transformers decides: exact Linear layers (no subclass, such as Falcon's) and Conv1D, but not
    the output head, what is tied to the embeddings, nor what the model wants in 32 bits.
    Source: transformers' integrations/bitsandbytes.py.
    """
    from torch.nn import Linear
    from transformers.pytorch_utils import Conv1D
    from transformers.quantizers.base import HfQuantizer
    from transformers.quantizers.quantizers_utils import should_convert_module

    kept = HfQuantizer.get_modules_to_not_convert(
        model, keep_in_fp32_modules=model._keep_in_fp32_modules
    )
    modules = dict(model.named_modules())
    return {
        name: shape
        for name, shape in shapes_in(model).items()
        if (type(modules[name]) is Linear or isinstance(modules[name], Conv1D))
        and should_convert_module(name, kept)
    }
