"""Sites and their fleets: where the data centres are, and how the trace's nodes are dealt to them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from demo.draw import between, chance, pick, share_out
from demo.mapping import ABROAD, CHINA, NodeKind
from demo.specs import FleetSpec, OrganisationSpec, SiteSpec
from marketplace.catalogue.data.tables import Accelerator, Region, Zone

SITES_IN_REGION: Mapping[str, int] = {
    "cn-zhangjiakou": 16, "cn-qingpu": 7, "cn-wujiang": 7, "cn-jiashan": 6, "cn-wuhu": 11, "cn-shaoguan": 15,
    "cn-tianfu": 10, "cn-chongqing": 9, "cn-horinger": 11, "cn-ulanqab": 8, "cn-guian": 15, "cn-qingyang": 11,
    "cn-zhongwei": 12, "cn-changji": 4, "cn-karamay": 4, "cn-hami": 6,
    "hk-hongkong": 3, "jp-tokyo": 4, "jp-osaka": 2, "kr-seoul": 3, "sg-singapore": 5, "my-johor": 4,
    "my-kualalumpur": 2, "id-jakarta": 2, "in-mumbai": 2, "au-sydney": 2, "ae-dubai": 2, "de-frankfurt": 4,
    "fr-paris": 4, "nl-amsterdam": 2, "ie-dublin": 1, "fi-helsinki": 3, "se-stockholm": 3, "es-madrid": 2,
    "it-milan": 1, "pl-warsaw": 2, "no-oslo": 2, "is-reykjavik": 2, "ch-zurich": 1, "gb-london": 2,
    "us-nvirginia": 3, "us-dallas": 2, "us-oregon": 1, "ca-montreal": 1, "br-saopaulo": 1,
}  # fmt: skip
"""152 sites at the national hubs and in Xinjiang, 68 abroad."""

RENEWABLE_SHARE = {
    "cn-beijing-tianjin-hebei": "0.45", "cn-yangtze-delta": "0.20", "cn-greater-bay": "0.25",
    "cn-chengdu-chongqing": "0.55", "cn-inner-mongolia": "0.50", "cn-guizhou": "0.40", "cn-gansu": "0.50",
    "cn-ningxia": "0.45", "cn-xinjiang": "0.40", "eu": "0.50", "eea": "0.95", "uk": "0.45", "ch": "0.70",
    "us": "0.35", "ca": "0.90", "br": "0.80",
}  # fmt: skip
OTHER_RENEWABLE_SHARE = "0.20"
"""Middle of the range in which a site's contracted renewable share is drawn: an assumption."""

COOL_ZONES = frozenset({"cn-inner-mongolia", "cn-guizhou", "cn-ningxia", "cn-gansu", "cn-xinjiang", "eea"})
VERIFICATION = {0: 10, 1: 30, 2: 40, 3: 20}
BANDWIDTH_MBPS = {10_000: 25, 40_000: 30, 100_000: 30, 400_000: 15}

SECOND_HOMES = 2
"""A kind of nodes goes, beside the sites that it is the first kind of, to one more for each two."""


def sites(
    owners: Sequence[OrganisationSpec], regions: Iterable[Region], zones: Iterable[Zone]
) -> tuple[SiteSpec, ...]:
    places = {region.slug: region for region in regions}
    price_areas = {zone.slug: zone for zone in zones}
    return tuple(
        _site(places[slug], price_areas[places[slug].zone], number, owners)
        for slug, count in SITES_IN_REGION.items()
        for number in range(1, count + 1)
    )


def _site(region: Region, zone: Zone, number: int, owners: Sequence[OrganisationSpec]) -> SiteSpec:
    rng = chance("site", region.slug, number)
    owner = rng.choice(_possible_owners(region, owners))
    low, mode, high = ("1.08", "1.15", "1.25") if zone.slug in COOL_ZONES else ("1.12", "1.25", "1.45")
    middle = Decimal(RENEWABLE_SHARE.get(zone.slug, OTHER_RENEWABLE_SHARE))
    share = middle + between(rng, "-0.20", "0.20", "0", "0.01")
    return SiteSpec(
        slug=f"{region.slug}-{number}",
        owner=owner.slug,
        name_en=f"{region.name_en} {number} ({owner.name_en})",
        name_zh=f"{region.name_zh}{number}号（{owner.name_zh}）",
        region=region.slug,
        zone=zone.slug,
        jurisdiction=region.jurisdiction,
        currency=zone.currency,
        latitude=region.latitude + between(rng, "-0.12", "0.12", "0"),
        longitude=region.longitude + between(rng, "-0.12", "0.12", "0"),
        time_zone=region.time_zone,
        utc_offset_hours=region.utc_offset_hours,
        pue=between(rng, low, high, mode, "0.01"),
        renewable_share=min(max(share, Decimal(0)), Decimal(1)),
        verification=pick(rng, VERIFICATION),
        bandwidth_mbps=pick(rng, BANDWIDTH_MBPS),
        weight=min(round(100 * rng.paretovariate(1.3)), 1200),
    )


def _possible_owners(region: Region, owners: Sequence[OrganisationSpec]) -> list[OrganisationSpec]:
    """Chinese owners at home and in Hong Kong; the others abroad, at home where they can be."""
    chinese = [owner for owner in owners if owner.jurisdiction == "CN"]
    if region.jurisdiction == "CN":
        return chinese
    local = [owner for owner in owners if owner.jurisdiction == region.jurisdiction]
    return local or [owner for owner in owners if owner.jurisdiction != "CN"]


def fleets(
    all_sites: Sequence[SiteSpec], kinds: Sequence[NodeKind], accelerators: Iterable[Accelerator]
) -> tuple[FleetSpec, ...]:
    """Deals every node to a site, in proportion to the sites' weights."""
    models = {model.slug: model for model in accelerators}
    dealt: list[FleetSpec] = []
    for where in (CHINA, ABROAD):
        here = [site for site in all_sites if (site.jurisdiction == "CN") == (where == CHINA)]
        there = [kind for kind in kinds if kind.where == where]
        for kind, homes in _homes(here, there):
            parts = share_out(kind.nodes, [site.weight for site in homes], least=1)
            dealt += [
                _fleet(site, kind, nodes, models[kind.model])
                for site, nodes in zip(homes, parts, strict=True)
            ]
    return tuple(sorted(dealt, key=lambda fleet: fleet.slug))


def _homes(here: Sequence[SiteSpec], kinds: Sequence[NodeKind]) -> Iterable[tuple[NodeKind, list[SiteSpec]]]:
    """The sites of each kind: every site has a first kind, and some have others beside it."""
    rng = chance("homes", kinds[0].where)
    shuffled = rng.sample(here, len(here))
    first = share_out(len(here), [kind.nodes * kind.node_size for kind in kinds])
    fleets_at: dict[str, int] = defaultdict(lambda: 1)
    for kind, count in zip(kinds, first, strict=True):
        own, shuffled = shuffled[:count], shuffled[count:]
        others = sorted(
            (site for site in here if site not in own), key=lambda site: rng.random() / site.weight
        )
        others.sort(key=lambda site: fleets_at[site.slug])
        extra = min(max(1, count // SECOND_HOMES), kind.nodes - count) if kind.nodes > count else 0
        for site in others[:extra]:
            fleets_at[site.slug] += 1
        yield kind, own + others[:extra]


def _fleet(site: SiteSpec, kind: NodeKind, nodes: int, model: Accelerator) -> FleetSpec:
    return FleetSpec(
        slug=f"{site.slug}-{kind.model}-{kind.trace_model.lower()}-{kind.node_size}",
        site=site.slug,
        model=kind.model,
        cards=nodes * kind.node_size,
        node_size=kind.node_size,
        interconnect=model.interconnect,
        stack=model.stack,
        trace_model=kind.trace_model,
    )
