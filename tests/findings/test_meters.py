"""Each detector of readings and capacity finds what is planted and leaves the nearest honest case alone."""

from __future__ import annotations

import random
from decimal import Decimal

import pytest

from marketplace.audit.findings.detectors.capacity import Attempt, Seen, Supply
from marketplace.audit.findings.detectors.meters import Compared, IdleSite, SiteEnergy
from marketplace.audit.findings.facts import Hour
from marketplace.audit.findings.models import Severity
from tests.findings.rows import HOUR, START, day_and_night, hour, judged, site

OF_READINGS = (
    "constant-load", "same-load", "repeated-readings", "too-perfect", "digits", "sold-but-inactive",
    "impossible-energy", "energy-against-power",
)  # fmt: skip


@pytest.mark.parametrize("name", OF_READINGS)
@pytest.mark.parametrize("seed", range(5))
def test_honest_work_is_not_found(name: str, seed: int) -> None:
    """Two hundred hours of it, in three deliveries of two buyers."""
    hours = [
        one
        for delivery in range(3)
        for one in day_and_night(200, seed=10 * seed + delivery, delivery=delivery, buyer=20 + delivery % 2)
    ]
    assert judged(name, site(hours)) == []


def mining(hours: int = 72, *, seed: int = 1, **facts: int) -> list[Hour]:
    luck = random.Random(seed)
    made = [hour(place, duty=luck.uniform(0.985, 0.999), **facts) for place in range(hours)]
    return [one._replace(energy=round((one.energy or 0) * luck.gauss(0.93, 0.004))) for one in made]


def test_a_mining_site_is_found() -> None:
    (case,) = judged("constant-load", site(mining()))
    assert (case.severity, case.statistics["busy_share"]) == (Severity.SERIOUS, Decimal(1))


def test_a_day_of_training_and_training_with_pauses_are_not_found() -> None:
    assert judged("constant-load", site(mining(30))) == []
    pauses = site(
        mining(), lambda one: hour(one.slot.hour, duty=0.6, slot=one.slot) if one.slot.hour % 8 == 0 else one
    )
    assert judged("constant-load", pauses) == []


def test_one_load_on_all_deliveries_is_found() -> None:
    hours = [
        one._replace(delivery=delivery, buyer=20 + delivery)
        for delivery in range(3)
        for one in day_and_night(48, seed=4)
    ]
    (case,) = judged("same-load", site(hours))
    assert case.statistics["same_share"] == 1


def test_one_job_in_three_deliveries_of_one_buyer_is_not_found() -> None:
    hours = [one._replace(delivery=d) for d in range(3) for one in day_and_night(48, seed=4)]
    assert judged("same-load", site(hours)) == []


def test_readings_that_come_again_are_found() -> None:
    day = day_and_night(24)
    again = [one._replace(slot=one.slot + days * 24 * HOUR) for days in range(3) for one in day]
    (case,) = judged("repeated-readings", site(again))
    assert case.statistics["repeated"] == Decimal("0.666667")


def test_idle_and_saturated_hours_may_repeat() -> None:
    hours = [hour(place, duty=place % 2) for place in range(72)]
    assert judged("repeated-readings", site(hours)) == []


def test_a_load_that_never_moves_and_round_figures_are_found() -> None:
    assert judged("too-perfect", site(hour(place, duty=0.8) for place in range(48)))
    rounded = site(day_and_night(48), lambda one: one._replace(energy=(one.energy or 0) // 100 * 100 + 1000))
    assert judged("too-perfect", rounded)


def test_figures_that_somebody_wrote_are_found() -> None:
    """People like 5 and 0."""
    written = site(day_and_night(200), lambda one: one._replace(energy=(one.energy or 0) // 5 * 5))
    (case,) = judged("digits", written)
    assert case.statistics["size"] > Decimal("0.6")


def test_cards_that_were_sold_and_never_busy_are_found() -> None:
    hours = [hour(place, duty=0, delivery=place % 3) for place in range(72)]
    assert judged("sold-but-inactive", site(hours))


def test_cards_that_are_hardly_used_are_not_found() -> None:
    """One per cent: far below the 7 % of a real cluster, and work all the same."""
    hours = [hour(place, duty=0.01, delivery=place % 3) for place in range(72)]
    assert judged("sold-but-inactive", site(hours)) == []


@pytest.mark.parametrize("share", ["1.3", "0.02"])
def test_energy_above_the_data_sheet_or_below_idle_is_found(share: str) -> None:
    impossible = site(
        day_and_night(48),
        lambda one: one._replace(energy=int(8 * 700 * Decimal(share))) if one.slot.hour % 10 == 0 else one,
    )
    (case,) = judged("impossible-energy", impossible)
    assert case.statistics["above"] == (6 if share == "1.3" else 0)


def test_full_power_is_possible() -> None:
    assert judged("impossible-energy", site(hour(place, duty=1) for place in range(48))) == []


@pytest.mark.parametrize(("lie", "found"), [("1.08", 1), ("1.02", 0)])
def test_energy_and_power_that_contradict_each_other_are_found(lie: str, found: int) -> None:
    told = site(
        day_and_night(48),
        lambda one: one._replace(power=Decimal(one.watts), energy=int(Decimal(lie) * (one.energy or 0))),
    )
    assert len(judged("energy-against-power", told)) == found


def energies(*, lie: float, sites: int = 20) -> list[SiteEnergy]:
    luck = random.Random(3)
    found = []
    for number in range(sites):
        duty, noise = luck.uniform(0.05, 0.5), luck.gauss(1, 0.01)
        truth = 500 * (0.25 + 0.75 * duty) * noise
        energy = truth * (lie if number == 0 else 1)
        found.append(SiteEnergy(number, 10 + number, "h800", 500.0, 500 * duty, energy, ()))
    return found


@pytest.mark.parametrize(("lie", "found"), [(1.08, {0}), (0.92, {0}), (1.02, set())])
def test_a_meter_that_lies_by_eight_per_cent_is_found_among_its_peers(lie: float, found: set[int]) -> None:
    cases = judged("energy-off-peers", energies(lie=lie))
    assert {case.subjects[0].site for case in cases} == found


def compared(place: int, *, seen: float, buyer: int = 20) -> Compared:
    return Compared(1, 10, buyer, 200 + buyer, START + place * HOUR, 28_800, round(28_800 * seen), place)


def test_a_site_that_says_more_than_two_buyers_saw_is_found() -> None:
    rows = [compared(place, seen=0.926, buyer=20 + place % 2) for place in range(24)]
    (case,) = judged("buyer-disagrees", rows)
    assert (case.severity, case.statistics["apart"]) == (Severity.SERIOUS, Decimal("0.073993"))


def test_buyers_who_miscount_both_ways_are_not_found() -> None:
    rows = [compared(place, seen=0.93 if place % 2 else 1) for place in range(24)]
    assert judged("buyer-disagrees", rows) == []
    assert judged("buyer-disagrees", [compared(place, seen=0.99) for place in range(24)]) == []


def idle(*, utilisation: int, cards: int = 16, sold: int = 0) -> IdleSite:
    told = [
        (START + place * HOUR, f"n1/{card}", {"utilisation.mean": utilisation})
        for place in range(24)
        for card in range(cards)
    ]
    return IdleSite(1, 10, 16, told, {START + place * HOUR: sold * 3600 for place in range(24)})


@pytest.mark.parametrize(("utilisation", "found"), [(9_900, 1), (300, 0)])
def test_cards_that_are_busy_without_a_buyer_are_found(utilisation: int, found: int) -> None:
    assert len(judged("active-but-unsold", [idle(utilisation=utilisation)])) == found


@pytest.mark.parametrize(("cards", "found"), [(12, 1), (8, 0)])
def test_more_cards_than_are_installed_are_found(cards: int, found: int) -> None:
    assert len(judged("cards-do-not-add-up", [idle(utilisation=0, cards=cards, sold=8)])) == found


def attempt(number: int, *, cards: int, seen: bool, place: int = 0) -> Attempt:
    starts_at = START + place * HOUR
    return Attempt(number, 1, 10, 20, 5, cards, starts_at, starts_at + 4 * HOUR, seen, is_over=True)


def test_a_fleet_that_is_not_there_is_found() -> None:
    attempts = [attempt(1, cards=16, seen=True), *(attempt(n, cards=64, seen=False) for n in range(2, 6))]

    (case,) = judged("never-seen", Supply(attempts, {5: 512}))

    assert {name: case.statistics[name] for name in ("offered", "sold", "seen", "failed")} == {
        "offered": 512, "sold": 272, "seen": 16, "failed": 4,
    }  # fmt: skip


def test_a_fleet_that_was_seen_and_had_a_bad_day_is_not_found() -> None:
    attempts = [
        attempt(1, cards=128, seen=True),
        *(attempt(n, cards=64, seen=False, place=9) for n in (2, 3, 4)),
    ]
    assert judged("never-seen", Supply(attempts, {})) == []


def sights(*, hours: int, elsewhere: int = 2) -> list[Seen]:
    return [
        Seen(
            f"GPU-{card}",
            place,
            10 + place,
            20,
            1000 * place + card,
            START + (hours if place > 1 else 0) * HOUR,
        )
        for place in (1, elsewhere)
        for card in range(8)
    ]


def test_cards_that_are_at_two_sites_are_found() -> None:
    (case,) = judged("two-places", sights(hours=5))
    assert (case.statistics["cards"], case.statistics["hours"]) == (8, 5)
    assert {one.site for one in case.subjects} == {1, 2}


def test_cards_that_moved_and_cards_seen_again_where_they_were_are_not_found() -> None:
    assert judged("two-places", sights(hours=24 * 30)) == []
    assert judged("two-places", sights(hours=5, elsewhere=1)) == []
