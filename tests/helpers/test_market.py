"""The base's own kind of text, made anew, and its loss."""

import pytest
import torch

from helpers import base_model, market


def test_pages_are_long_and_the_same_for_the_same_seed():
    pages = market.market_pages(3, seed=1)
    assert pages == market.market_pages(3, seed=1)
    assert pages != market.market_pages(3, seed=2)
    assert pages[:2] == market.market_pages(2, seed=1)
    tokenizer = base_model.load_tokenizer(base_model.POCKET)
    assert all(len(tokenizer(page).input_ids) > 128 for page in pages)


def test_the_loss_on_its_own_text_is_low_and_rises_when_the_model_is_damaged(monkeypatch):
    tokenizer = base_model.load_tokenizer(base_model.POCKET)
    model = base_model.load_base(base_model.POCKET).eval()
    loss = market.own_text_loss(model, tokenizer, n_pages=4)
    monkeypatch.setattr(market, "PAGES_AT_ONCE", 3)  # the last ones are fewer
    assert market.own_text_loss(model, tokenizer, n_pages=4) == pytest.approx(loss, rel=1e-5)
    each = []
    for page in market.market_pages(4, seed=9):  # one at a time, by the library's own loss
        ids = tokenizer(page, return_tensors="pt").input_ids[:, :128]
        with torch.inference_mode():
            each.append(model(ids, labels=ids).loss.item())
    assert loss == pytest.approx(sum(each) / 4, rel=1e-5)
    assert loss < 1.2
    with torch.no_grad():
        model.model.layers[0].mlp.down_proj.weight.zero_()
    assert market.own_text_loss(model, tokenizer, n_pages=4) > loss + 0.5
