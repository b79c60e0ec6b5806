"""Components say what pages mean, in HTML that a strict Content-Security-Policy lets through."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from decimal import Decimal

import pytest
from django import forms
from django.core.paginator import Paginator
from django.template.loader import get_template
from django.test import RequestFactory

from marketplace.web.samples import samples
from marketplace.web.states import STATES, state_of

Render = Callable[..., str]
AT = dt.datetime(2026, 3, 9, 6, tzinfo=dt.UTC)


class OfferForm(forms.Form):
    ask = forms.DecimalField(label="Ask", help_text="Per card-hour", min_value=Decimal(1))
    note = forms.CharField(label="Note", required=False)


def test_money_carries_every_digit_behind_what_it_shows(render: Render) -> None:
    html = render('<c-money :amount="amount" currency="CNY" />', amount=Decimal("1234.5678"))
    assert html == '<data value="1234.5678" title="CNY 1234.5678">¥1,234.57</data>'


def test_what_is_not_known_is_said_and_not_shown_as_zero(render: Render) -> None:
    for source in (
        '<c-money :amount="x" currency="CNY" />',
        '<c-quantity :value="x" unit="kWh" />',
        '<c-when :at="x" />',
    ):
        assert "not known" in render(source, x=None)


def test_a_component_refuses_a_float(render: Render) -> None:
    with pytest.raises(TypeError):
        render('<c-money :amount="x" currency="CNY" />', x=1.5)


def test_a_time_is_machine_readable_in_utc(render: Render) -> None:
    assert 'datetime="2026-03-09T06:00:00Z"' in render('<c-when :at="at" />', at=AT)


def test_a_change_for_the_worse_asks_for_attention_and_one_for_the_better_does_not(render: Render) -> None:
    source = '<c-delta :value="x" good="up" />'
    assert "tone-attention" in render(source, x=Decimal("-0.03"))
    assert "tone-attention" not in render(source, x=Decimal("0.03"))


def test_a_badge_has_the_tone_of_its_state_and_a_mark_besides_the_colour(render: Render) -> None:
    html = render('<c-badge state="{{ state }}" />', state="UNMATCHED")
    assert "state-attention" in html
    assert "unmatched" in html
    assert "<svg" in html


def test_a_state_that_is_not_listed_shows_its_own_name(render: Render) -> None:
    assert "on hold" in render('<c-badge state="on_hold" />')
    assert state_of("on_hold").tone == "quiet"


def test_every_state_has_a_tone_that_the_stylesheet_knows() -> None:
    tones = {"open", "good", "quiet", "attention", "harm", "offered", "sold", "allocated", "active"}
    assert {state.tone for state in STATES.values()} <= tones


def test_a_table_without_rows_says_so_instead_of_showing_an_empty_grid(render: Render) -> None:
    html = render(
        '<c-table caption="Offers"><c-slot name="empty">'
        '<c-empty-state title="No offers yet" /></c-slot></c-table>'
    )
    assert "No offers yet" in html
    assert "<table" not in html


def test_a_table_has_a_caption_and_a_region_that_keyboards_can_scroll(render: Render) -> None:
    html = render('<c-table caption="Offers"><tr><td>1</td></tr></c-table>')
    assert '<caption class="sr-only">Offers</caption>' in html
    assert 'role="region" aria-label="Offers" tabindex="0"' in html


def test_a_heading_sorts_and_then_sorts_the_other_way_and_forgets_the_page(render: Render) -> None:
    source = '<c-th sort="price">Price</c-th>'
    assert 'href="?site=4&amp;sort=price"' in render(source, path="/?site=4&page=3")
    sorted_up = render(source, path="/?sort=price")
    assert 'aria-sort="ascending"' in sorted_up
    assert 'href="?sort=-price"' in sorted_up


def test_a_pager_keeps_the_filters(render: Render) -> None:
    page = Paginator(range(100), 10).page(2)
    html = render('<c-pager :page="page" />', path="/?site=4&page=2", page=page)
    assert 'href="?site=4&amp;page=1"' in html
    assert 'href="?site=4&amp;page=3"' in html
    assert "11 to 20 of 100" in html


def test_a_field_in_error_names_its_error_to_the_input(render: Render) -> None:
    html = render('<c-field :field="form.ask" unit="¥/card-h" />', form=OfferForm({"ask": "0"}))
    assert 'aria-invalid="true"' in html
    described = re.search(r'aria-describedby="([^"]+)"', html)
    assert described is not None
    for name in described.group(1).split():
        assert f'id="{name}"' in html


def test_a_field_that_may_stay_empty_says_so(render: Render) -> None:
    assert "(optional)" in render('<c-field :field="form.note" />', form=OfferForm())
    assert "(optional)" not in render('<c-field :field="form.ask" />', form=OfferForm())


def test_a_refused_form_says_that_nothing_was_saved_and_links_to_the_field(render: Render) -> None:
    html = render('<c-form :form="form" submit="Save" />', form=OfferForm({"ask": ""}))
    assert "Nothing was saved" in html
    assert 'href="#id_ask"' in html


def test_a_form_that_posts_carries_the_token(render: Render) -> None:
    assert "csrfmiddlewaretoken" in render('<c-form :form="form" />', form=OfferForm())
    assert "csrfmiddlewaretoken" not in render('<c-form :form="form" method="get" />', form=OfferForm())


def test_a_confirmation_repeats_in_words_what_will_happen(render: Render) -> None:
    html = render(
        '<c-confirm id="w" title="Withdraw?" action="/w/" submit="Withdraw">64 cards leave.</c-confirm>'
    )
    assert 'aria-labelledby="w-title"' in html
    assert "64 cards leave." in html
    assert 'method="post" action="/w/"' in html


@pytest.mark.parametrize("attribute", ['style="width:1px"', 'onclick="x()"', 'hx-on:click="x()"'])
def test_what_the_policy_would_block_is_refused_when_it_is_written(render: Render, attribute: str) -> None:
    with pytest.raises(ValueError, match="Content-Security-Policy"):
        render(f"<c-button {attribute}>Go</c-button>")


def test_passed_attributes_are_escaped(render: Render) -> None:
    html = render('<c-button :data-name="name">Go</c-button>', name='"><script>')
    assert "<script>" not in html


def test_components_do_not_see_the_variables_of_the_page(render: Render) -> None:
    assert "leaked" not in render("<c-panel>Body</c-panel>", title="leaked", foot="leaked")


def test_a_utilisation_bar_says_its_levels_in_words(render: Render) -> None:
    source = '<c-utilisation-bar :installed="200" :offered="100" :sold="50" :allocated="25" :active="5" />'
    html = render(source)
    for words in ("installed", "offered", "sold", "allocated", "active"):
        assert words in html
    assert 'class="level-sold" x="0" y="0" width="25%"' in html


def test_a_funnel_marks_the_constraint_that_binds(render: Render) -> None:
    stages = [
        {"label": "Offers", "kept": 40, "removed": 0},
        {"label": "Limit", "kept": 0, "removed": 40, "binding": True},
    ]
    html = render('<c-funnel :stages="stages" />', stages=stages)
    assert html.count("is-binding") == 1
    assert "40 removed" in html


def test_a_diff_tells_changed_from_added_from_taken_out(render: Render) -> None:
    changes = [
        {"label": "Cards", "before": "128", "after": "192"},
        {"label": "Notice", "before": None, "after": "2 h"},
        {"label": "Make-up", "before": "30 d", "after": None},
        {"label": "Price", "before": "¥8", "after": "¥8"},
    ]
    html = render('<c-diff :changes="changes" caption="Terms" />', changes=changes)
    assert "<del>128</del>" in html
    assert "<ins>192</ins>" in html
    assert all(words in html for words in ("not there", "taken out", "unchanged"))


def test_the_style_guide_holds_nothing_inline() -> None:
    request = RequestFactory().get("/styleguide/")
    html = get_template("styleguide/index.html").render(samples(), request)
    assert not re.findall(r"<[^>]+\s(?:style|on[a-z]+|hx-on[^=]*)=", html)
    assert not re.findall(r"<script(?![^>]+src=)", html)
    assert "<style" not in html


def test_every_id_on_the_style_guide_is_there_once() -> None:
    html = get_template("styleguide/index.html").render(samples(), RequestFactory().get("/styleguide/"))
    ids = re.findall(r'\sid="([^"]+)"', html)
    assert len(ids) == len(set(ids))
