"""The shipped catalogue: re-made byte for byte, no item twice, prices as promised, damage noticed."""

import random
import shutil

import make_catalogue
import numpy as np
import pytest
from datasets import Dataset

from helpers import DATA, catalogue


def test_making_it_again_gives_the_shipped_bytes():
    for split, rows in make_catalogue.make_catalogue().items():
        assert make_catalogue.to_jsonl(rows) == (DATA / f"{split}.jsonl").read_bytes()


def test_a_description_is_a_prompt_without_the_question_around_it():
    asked = {"prompt": [f"{catalogue.QUESTION}\n\nBlue pan.\nSteel.\n\nPrice is $"]}
    assert catalogue.descriptions(asked) == ["Blue pan.\nSteel."]


def test_sizes_columns_and_no_description_twice():
    items = {split: catalogue.load(split) for split in catalogue.SPLITS}
    assert {split: len(rows) for split, rows in items.items()} == make_catalogue.SIZES
    for rows in items.values():
        assert rows.column_names[:2] == ["prompt", "completion"]
        assert set(rows["category"]) == {kind.category for kind in make_catalogue.TYPES}
    texts = [text for rows in items.values() for text in catalogue.descriptions(rows)]
    assert len(set(texts)) == len(texts)


def test_prices_are_whole_dollars_with_a_shops_skew():
    prices = catalogue.prices(catalogue.load("train"))
    assert ((prices >= 1) & (prices <= 999) & (prices == prices.round())).all()
    assert prices.mean() > 1.2 * np.median(prices)


def test_noise_is_log_normal_around_the_true_price():
    items = catalogue.load("train")
    z = np.log(catalogue.prices(items) / np.array(items["true_price"])) / make_catalogue.NOISE
    # 4,000 draws: a mean within 4 standard errors of 0, a deviation within 4 of 1
    assert abs(z.mean()) < 4 / np.sqrt(len(z))
    assert abs(z.std() - 1) < 4 / np.sqrt(2 * len(z))


def test_a_product_is_worth_the_product_of_its_factors():
    kind = next(k for k in make_catalogue.TYPES if k.name == "monitor")
    seen = set()
    rng = random.Random(1)
    while len(seen) < 2:
        product = make_catalogue.draw_product(rng)
        if product["kind"] is not kind or "34 inch" not in product["features"]:
            continue
        base = kind.base * 1.65
        others = [f for f in product["features"] if f != "34 inch"]
        for feature in others:
            base *= next(a[feature] for a in kind.attributes if feature in a)
        factor, home = make_catalogue.BRANDS[product["brand"]]
        base *= factor * (1.4 if kind.category in home else 1)
        condition = next(
            c for c, texts in make_catalogue.CONDITIONS.values() if product["state"] in texts
        )
        assert product["true_price"] == pytest.approx(base * condition)
        seen.add(product["brand"])


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (lambda path: path.unlink(), "is missing"),
        (lambda path: path.write_bytes(path.read_bytes()[:-9]), "is damaged"),
    ],
)
def test_a_missing_or_damaged_file_says_how_to_restore_it(tmp_path, harm, says):
    for name in ("SHA256SUMS", "test.jsonl"):
        shutil.copy(DATA / name, tmp_path)
    harm(tmp_path / "test.jsonl")
    with pytest.raises(
        catalogue.DamagedFile, match=f"test.jsonl {says}.*git checkout -- data/test"
    ):
        catalogue.load("test", folder=tmp_path)


def test_every_shipped_file_has_its_sum_and_every_sum_its_file():
    named = [line[66:] for line in (DATA / "SHA256SUMS").read_text(encoding="utf-8").splitlines()]
    files = [*DATA.glob("*.jsonl"), *DATA.glob("pocket-llama/*")]
    assert sorted(named) == sorted(path.relative_to(DATA).as_posix() for path in files)
    for name in named:
        assert catalogue.checked(name).exists()


def test_making_the_world_again_writes_the_shipped_sums(tmp_path):
    shutil.copytree(DATA / "pocket-llama", tmp_path / "pocket-llama")
    for split in catalogue.SPLITS:
        shutil.copy(DATA / f"{split}.jsonl", tmp_path)
    make_catalogue.write_sums(tmp_path)
    assert (tmp_path / "SHA256SUMS").read_bytes() == (DATA / "SHA256SUMS").read_bytes()


def test_a_file_without_a_sum_is_refused(tmp_path):
    shutil.copy(DATA / "test.jsonl", tmp_path)
    with pytest.raises(catalogue.DamagedFile, match="no line for test.jsonl.*data/SHA256SUMS"):
        catalogue.load("test", folder=tmp_path)


def test_a_data_set_on_the_hub_is_read_at_the_revision_that_is_asked_for(monkeypatch):
    def load_dataset(source, revision):
        return {"val": Dataset.from_dict({"prompt": [source], "completion": [revision]})}

    monkeypatch.setattr("datasets.load_dataset", load_dataset)
    items = catalogue.load("validation", "owner/items", "v1")
    assert items[0] == {"prompt": "owner/items", "completion": "v1"}


def test_an_unknown_split_is_named():
    with pytest.raises(ValueError, match="'dev' is unknown; take one of train, validation"):
        catalogue.load("dev")
