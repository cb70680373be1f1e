"""What several test files share: a copy of the course with git in it, small models, one trainer."""

import shutil
import subprocess
from pathlib import Path

from transformers import LlamaConfig, Qwen3Config

from helpers import counting

ROOT = Path(__file__).resolve().parent.parent

ATTENTION = ["q_proj", "k_proj", "v_proj", "o_proj"]
LLAMA = counting.llama_3_1_8b()
LLAMA_3B = LlamaConfig(  # Llama 3.2 3B: 3,212,749,824 parameters
    vocab_size=128256,
    hidden_size=3072,
    intermediate_size=8192,
    num_hidden_layers=28,
    num_attention_heads=24,
    num_key_value_heads=8,
    head_dim=128,
    tie_word_embeddings=True,
)
QWEN3 = Qwen3Config(  # 0.6B: queries twice as wide as the model
    vocab_size=151936,
    hidden_size=1024,
    num_hidden_layers=28,
    num_attention_heads=16,
    num_key_value_heads=8,
    head_dim=128,
    intermediate_size=3072,
    tie_word_embeddings=True,
)
SMALL = LlamaConfig(  # builds and trains in a second
    vocab_size=1000,
    hidden_size=256,
    intermediate_size=832,
    num_hidden_layers=3,
    num_attention_heads=8,
    num_key_value_heads=2,
    max_position_embeddings=512,
    tie_word_embeddings=False,
)
TOY_8B = LlamaConfig(  # the 8B's modules at toy width, with Pocket Llama's vocabulary
    vocab_size=2112,
    hidden_size=64,
    intermediate_size=192,
    num_hidden_layers=32,
    num_attention_heads=8,
    num_key_value_heads=2,
    tie_word_embeddings=False,
)


def nf4(dtype="float32"):
    """The course's BitsAndBytesConfig: NF4 with double quantization, computing in `dtype`."""
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
    )


def digits_in_groups_of(size, tokenizer):
    """A copy of `tokenizer` that splits numbers into groups of `size` digits; 1: as Qwen 3 does."""
    import copy

    from tokenizers import Regex
    from tokenizers.pre_tokenizers import Sequence, Split

    tokenizer = copy.deepcopy(tokenizer)
    backend = tokenizer.backend_tokenizer
    groups = Split(Regex(rf"\d{{1,{size}}}"), behavior="isolated")
    backend.pre_tokenizer = Sequence([groups, backend.pre_tokenizer])
    return tokenizer


def make_trainer(model, items, folder, *, lora, tokenizer=None, callbacks=(), **settings):
    """An SFTTrainer as lesson 8 sets it up, with adapters in 32 bits, that prints nothing.

    model: a loaded base, or the name of one to load without quantization.
    items: a data set with the columns prompt and completion; others are left out.
    lora: what LoraConfig takes, as a dict. tokenizer: Pocket Llama's if None.
    settings: what SFTConfig takes, above the defaults here: one seed, on the CPU unless
        use_cpu=False, no checkpoints unless save_steps is given.
    """
    import torch
    from peft import LoraConfig
    from transformers import PrinterCallback
    from trl import SFTConfig, SFTTrainer

    from helpers import base_model

    torch.manual_seed(0)  # of the adapters
    defaults = dict(
        bf16=False,
        use_cpu=True,
        gradient_checkpointing=False,
        save_strategy="steps" if "save_steps" in settings else "no",
        logging_steps=1,
        disable_tqdm=True,
        report_to="none",
        seed=0,
    )
    trainer = SFTTrainer(
        model=base_model.load_base(model) if isinstance(model, str) else model,
        args=SFTConfig(output_dir=str(folder), **(defaults | settings)),
        train_dataset=items.select_columns(["prompt", "completion"]),
        processing_class=tokenizer or base_model.load_tokenizer(base_model.POCKET),
        peft_config=LoraConfig(task_type="CAUSAL_LM", **lora),
        callbacks=list(callbacks),
    )
    for p in trainer.model.parameters():
        p.data = p.data.float() if p.requires_grad else p.data
    trainer.remove_callback(PrinterCallback)
    return trainer


def write_items(folder: Path, n_train: int, n_test: int) -> Path:
    """`folder`, laid out like a data set on the hub: parquet files of three splits, two columns.

    As in the lectures' data, no true price is given, and one price in each split is above $999.
    """
    from datasets import Dataset

    from helpers import catalogue

    sizes = {"train": ("train", n_train), "val": ("validation", 20), "test": ("test", n_test)}
    for split, (ours, n) in sizes.items():
        rows = catalogue.load(ours).select(range(n))
        completions = list(rows["completion"])
        completions[3] = "1249.00"
        items = Dataset.from_dict({"prompt": rows["prompt"], "completion": completions})
        (folder / "data").mkdir(parents=True, exist_ok=True)
        items.to_parquet(folder / "data" / f"{split}-00000-of-00001.parquet")
    return folder


def peft_count(config, r, target_modules, kind="CausalLM"):
    """The weights that peft trains on the model of `config`, counted on the meta device.

    kind: of transformers' auto class, such as "Seq2SeqLM".
    """
    import torch
    import transformers
    from peft import LoraConfig, get_peft_model

    with torch.device("meta"):
        model = getattr(transformers, f"AutoModelFor{kind}").from_config(config)
    gpt2 = isinstance(config, transformers.GPT2Config)
    lora = LoraConfig(r=r, target_modules=target_modules, fan_in_fan_out=gpt2)
    model = get_peft_model(model, lora, low_cpu_mem_usage=True)
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def git(*arguments: str, cwd: Path) -> None:
    """Run git in `cwd` as somebody with a name."""
    who = ("-c", "user.name=a", "-c", "user.email=a@b.c")
    subprocess.run(["git", *who, *arguments], cwd=cwd, check=True, capture_output=True)


def copy_of_the_tree(folder: Path) -> None:
    """Copy what git has, or would add, of the working tree as it is now into `folder`."""
    names = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(["git", *names], cwd=ROOT, capture_output=True, check=True).stdout
    for name in listed.decode().split("\0")[:-1]:
        if (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)


def commit_of_the_tree(folder: Path) -> None:
    """Make `folder` a repository whose branch main holds the working tree as it is now."""
    copy_of_the_tree(folder)
    git("init", "-q", "-b", "main", cwd=folder)
    git("add", "-A", cwd=folder)
    git("commit", "-qm", "as it is", cwd=folder)


class Panel:
    """A widget's controls, found by their labels, and what its last child says."""

    def __init__(self, box):
        self.box = box

    def find(self, label, box=None):
        for child in (box or self.box).children:
            if getattr(child, "description", None) == label:
                return child
            if hasattr(child, "children") and (found := self.find(label, child)):
                return found

    @property
    def said(self):
        return self.box.children[-1].value
