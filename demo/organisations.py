"""Fictional owners and buyers. The names are made of everyday words and mean no existing company."""

from __future__ import annotations

from collections.abc import Iterator

from demo.specs import OrganisationSpec
from marketplace.catalogue.data.tables import Region, Zone, load_regions, load_zones

OWNERS_IN_CHINA = """
Heron Lake|鹭湖 Copper Bell|铜铃 Nine Looms|九机坊 Cedar Slope|雪松坡 Stone Ferry|石渡 Amber Ridge|琥珀岭
Willow Gate|柳门 Long Ladle|长勺 Paper Kite|纸鸢 Grey Crane|灰鹤洲 Salt Well|盐井 Red Kiln|红窑 Moon Weir|月堰
Walnut Yard|核桃院 Sand Harp|沙琴 Quiet Mill|静磨 Plum Terrace|梅台坪 Bronze Oar|铜桨 Snow Drum|雪鼓
Tall Reed|长苇 Iron Sparrow|铁雀 Clay Lantern|陶灯 West Furrow|西畦 Jade Anvil|玉砧 Wind Loom|风织
Cold Orchard|寒果园 Thousand Steps|千阶
"""
OWNERS_ABROAD = """
Fjordlight|峡光 Oak Meridian|橡经 Blue Tern|蓝燕鸥 Granite Harbour|花岗港 Maple Signal|枫讯 Coral Stack|珊瑚栈
Rhine Lantern|莱茵灯 Larch Loom|落叶松织 Monsoon Grid|季风格 Southern Kelp|南藻 Cherry Inlet|樱湾
Dune Circuit|沙丘回路 Aurora Shed|极光棚
"""
OWNER_FORMS = (("Computing", "智算"), ("Data Centres", "数据中心"), ("Compute Parks", "算力园"))

BUYER_FIRST = "Little|小 Old|老 Bright|明 Slow|缓 Brave|勇 Paper|纸 Silver|银 Green|青 Quiet|静 Round|圆 \
Tall|高 Swift|迅 Warm|暖 Blue|蓝"
BUYER_SECOND = (
    "Otter|獭 Sparrow|雀 Gourd|葫芦 Bamboo|竹 Lantern|灯 Donkey|驴 Abacus|算盘 Kettle|壶 Beetle|甲虫 \
Carp|鲤 Umbrella|伞 Pebble|卵石"
)
BUYER_FIELDS = (
    ("Robotics", "机器人"), ("Drug Design", "药物设计"), ("Games", "游戏"), ("Translation", "翻译"),
    ("Weather", "气象"), ("Driving", "自动驾驶"), ("Risk", "风控"), ("Rendering", "渲染"),
    ("Materials", "材料"), ("Seismic", "地震勘探"), ("Speech", "语音"), ("Search", "搜索"),
    ("Schools", "教育"), ("Genomics", "基因"),
)  # fmt: skip

HOMES_OF_OWNERS_ABROAD = """
no-oslo us-nvirginia jp-tokyo fr-paris ca-montreal sg-singapore de-frankfurt se-stockholm in-mumbai au-sydney
jp-osaka ae-dubai fi-helsinki
"""
HOMES_OF_BUYERS_ABROAD = """
de-frankfurt fr-paris nl-amsterdam es-madrid it-milan se-stockholm ie-dublin pl-warsaw us-nvirginia us-oregon
us-dallas sg-singapore jp-tokyo kr-seoul hk-hongkong gb-london in-mumbai ae-dubai
"""
BUYERS = 60
BUYERS_ABROAD = len(HOMES_OF_BUYERS_ABROAD.split())


def owners() -> tuple[OrganisationSpec, ...]:
    places = _Places()
    in_china = list(zip(_names(OWNERS_IN_CHINA), places.cities_of_demand * 3, strict=False))
    abroad = list(zip(_names(OWNERS_ABROAD), HOMES_OF_OWNERS_ABROAD.split(), strict=True))
    return tuple(
        places.organisation("owner", (f"{en} {form_en}", f"{zh}{form_zh}"), home)
        for number, ((en, zh), home) in enumerate(in_china + abroad)
        for form_en, form_zh in [OWNER_FORMS[number % len(OWNER_FORMS)]]
    )


def buyers() -> tuple[OrganisationSpec, ...]:
    places = _Places()
    homes = (places.cities_of_demand * BUYERS)[: BUYERS - BUYERS_ABROAD] + HOMES_OF_BUYERS_ABROAD.split()
    return tuple(places.organisation("buyer", _buyer_name(number), home) for number, home in enumerate(homes))


def _buyer_name(number: int) -> tuple[str, str]:
    first, second = list(_names(BUYER_FIRST)), list(_names(BUYER_SECOND))
    words = (
        first[number % len(first)],
        second[number * 5 % len(second)],
        BUYER_FIELDS[number % len(BUYER_FIELDS)],
    )
    return " ".join(en for en, _ in words), "".join(zh for _, zh in words)


def _names(text: str) -> Iterator[tuple[str, str]]:
    """Pairs of an English and a Chinese name; a new name begins after the Chinese one."""
    english: list[str] = []
    for word in text.split():
        last, bar, chinese = word.partition("|")
        english.append(last)
        if bar:
            yield " ".join(english), chinese
            english = []


class _Places:
    def __init__(self) -> None:
        self.regions: dict[str, Region] = {region.slug: region for region in load_regions()}
        self.zones: dict[str, Zone] = {zone.slug: zone for zone in load_zones()}
        self.cities_of_demand = [r.slug for r in self.regions.values() if r.kind in {"demand", "both"}]
        self.cities_of_demand.remove("hk-hongkong")

    def organisation(self, kind: str, names: tuple[str, str], home: str) -> OrganisationSpec:
        region = self.regions[home]
        return OrganisationSpec(
            slug=names[0].lower().replace(" ", "-"),
            kind=kind,
            name_en=names[0],
            name_zh=names[1],
            region=region.slug,
            jurisdiction=region.jurisdiction,
            time_zone=region.time_zone,
            currency=self.zones[region.zone].currency,
        )
