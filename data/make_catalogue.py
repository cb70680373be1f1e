"""Make the pocket world's catalogue: invented products whose true price model is known.

    python data/make_catalogue.py            # writes train, validation and test .jsonl

The true price of a product is a product of factors:

    true_price = base[type] × attribute factors × brand × at home × condition

and its price is true_price × exp(NOISE × z), z a standard normal, in whole dollars. Nobody can
know z, so predicting true_price itself leaves the *noise floor*: the error that no model beats.
Standard library only, one seeded generator: the same bytes on every machine.
"""

import hashlib
import json
import math
import random
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
SEED = 20240
NOISE = 0.18  # standard deviation of log(price / true_price)
SIZES = {"train": 4000, "validation": 500, "test": 1000}
QUESTION = "How much does this cost to the nearest dollar?"

# A brand's factor, and the categories in which it is at home (there it asks AT_HOME times as much).
BRANDS = {
    "Aldermoor": (0.62, ("Office Products", "Appliances")),
    "Brightwick": (0.74, ("Toys & Games", "Cell Phones & Accessories")),
    "Calloway": (0.86, ("Musical Instruments", "Office Products")),
    "Dunmere": (0.94, ("Automotive", "Tools & Home Improvement")),
    "Estrava": (1.00, ("Electronics", "Appliances")),
    "Fenwright": (1.08, ("Tools & Home Improvement", "Toys & Games")),
    "Grauhaven": (1.20, ("Appliances", "Automotive")),
    "Hollis": (1.34, ("Musical Instruments", "Electronics")),
    "Ivarsen": (1.50, ("Cell Phones & Accessories", "Office Products")),
    "Juniper Row": (1.72, ("Electronics", "Automotive")),
}
AT_HOME = 1.4

CONDITIONS = {
    "new": (1.00, ("Brand new, sealed.", "New in its box.")),
    "open box": (0.85, ("Open box, never used.", "Opened once, unused.")),
    "refurbished": (0.70, ("Refurbished and tested.", "Refurbished by the maker.")),
    "used": (0.52, ("Used, in working order.", "Second hand, some marks.")),
}
COLOURS = "black white grey blue red green silver purple".split()


@dataclass(frozen=True)
class Type:
    """A type of product: its base price in dollars, and what moves it."""

    name: str
    category: str
    base: float
    attributes: tuple  # of dicts {wording: factor}; "a / b" are two wordings of one value
    remarks: tuple  # sentences that say nothing of the price


TYPES = (
    Type("car battery", "Automotive", 88,
         ({"45 Ah": 0.72, "60 Ah": 0.95, "75 Ah": 1.22, "95 Ah": 1.60},
          {"lead acid / flooded": 0.85, "enhanced flooded / EFB": 1.10, "glass mat / AGM": 1.55},
          {"1 year warranty": 0.92, "3 year warranty": 1.05, "5 year warranty": 1.20}),
         ("Starts on cold mornings.", "Fits most small cars.", "Carry handle folds flat.")),
    Type("dash camera", "Automotive", 72,
         ({"Full HD": 0.75, "Quad HD": 1.10, "4K": 1.65},
          {"front lens only / one lens": 0.80, "front and rear / two lenses": 1.30},
          {"no screen": 0.85, "2 inch screen": 1.00, "3 inch screen": 1.15}),
         ("Records in a loop.", "Sticks to the windscreen.", "Saves a clip when it feels a bump.")),
    Type("headphones", "Electronics", 78,
         ({"in ear / ear buds": 0.70, "on ear": 0.90, "over ear / around the ear": 1.35},
          {"wired / with a cable": 0.60, "wireless / Bluetooth": 1.25},
          {"no noise cancelling": 0.75, "noise cancelling / quiet mode": 1.60}),
         ("Soft pads for long days.", "Folds into a pouch.", "Clear calls in the wind.")),
    Type("monitor", "Electronics", 185,
         ({"24 inch": 0.68, "27 inch": 0.95, "32 inch": 1.32, "34 inch": 1.65},
          {"Full HD": 0.78, "Quad HD": 1.05, "4K": 1.42},
          {"60 Hz": 0.85, "75 Hz": 0.95, "144 Hz": 1.30}),
         ("Tilts and turns.", "Thin frame on three sides.", "Hangs on a wall mount.")),
    Type("desk chair", "Office Products", 142,
         ({"fabric seat / cloth seat": 0.72, "mesh seat / net seat": 1.00, "leather seat": 1.60},
          {"fixed arms": 0.85, "adjustable arms": 1.20, "no arms": 0.75},
          {"low back": 0.85, "high back": 1.10, "high back with headrest": 1.30}),
         ("Rolls well on carpet.", "Easy to put together.", "Leans back and locks.")),
    Type("standing desk", "Office Products", 315,
         ({"100 cm wide": 0.78, "120 cm wide": 0.92, "140 cm wide": 1.08, "160 cm wide": 1.28},
          {"hand crank / crank handle": 0.62, "one motor": 0.95, "two motors / dual motor": 1.30},
          {"chipboard top": 0.85, "bamboo top": 1.10, "oak top / solid oak": 1.35}),
         ("Holds two screens.", "Remembers your height.", "Cables run in a tray.")),
    Type("cordless drill", "Tools & Home Improvement", 92,
         ({"12 V": 0.70, "18 V": 1.10, "24 V": 1.35},
          {"brushed motor / brushed": 0.80, "brushless motor / brushless": 1.35},
          {"bare tool / no battery": 0.62, "one battery": 1.00, "two batteries": 1.38}),
         ("A lamp lights the work.", "Sits well in the hand.", "Two speeds and a clutch.")),
    Type("pressure washer", "Tools & Home Improvement", 158,
         ({"100 bar": 0.65, "130 bar": 0.95, "160 bar": 1.45},
          {"5 m hose": 0.88, "8 m hose": 1.02, "12 m hose": 1.18},
          {"plastic pump": 0.80, "aluminium pump / metal pump": 1.10, "brass pump": 1.40}),
         ("Cleans a patio by noon.", "Hose winds onto a reel.", "Runs on house current.")),
    Type("smartphone", "Cell Phones & Accessories", 330,
         ({"64 GB": 0.70, "128 GB": 0.88, "256 GB": 1.12, "512 GB": 1.40},
          {"single camera / one camera": 0.72, "dual camera / two cameras": 0.98, "triple camera / three cameras": 1.30},
          {"5 inch screen": 0.82, "6 inch screen": 1.00, "7 inch screen": 1.15}),
         ("Works with any carrier.", "Charges in an hour.", "Takes two SIM cards.")),
    Type("power bank", "Cell Phones & Accessories", 34,
         ({"5 Ah": 0.58, "10 Ah": 0.88, "20 Ah": 1.40, "27 Ah": 1.85},
          {"slow charging / 10 W": 0.75, "fast charging / 30 W": 1.10, "laptop charging / 65 W": 1.65},
          {"one port": 0.85, "two ports": 1.00, "three ports": 1.15}),
         ("Fits a coat pocket.", "Four lights show the charge.", "Allowed on planes.")),
    Type("building set", "Toys & Games", 62,
         ({"200 pieces": 0.42, "500 pieces": 0.85, "800 pieces": 1.40, "950 pieces": 1.80},
          {"castle": 1.10, "train / railway": 1.30, "farm": 0.85, "space station / moon base": 1.20},
          {"no figures": 0.88, "3 figures": 1.02, "8 figures": 1.25}),
         ("For ages 8 and up.", "Sorts into numbered bags.", "Works with other sets.")),
    Type("toy drone", "Toys & Games", 105,
         ({"8 minutes of flight": 0.62, "15 minutes of flight": 0.95, "30 minutes of flight": 1.55},
          {"no camera": 0.60, "HD camera": 1.00, "4K camera": 1.60},
          {"one battery": 0.88, "two batteries": 1.05, "three batteries": 1.22}),
         ("Hovers by itself.", "Comes with spare blades.", "Flies indoors and out.")),
    Type("air fryer", "Appliances", 98,
         ({"3 litre": 0.65, "5 litre": 0.95, "7 litre": 1.22, "9 litre": 1.50},
          {"dial controls / knobs": 0.82, "touch screen / touch controls": 1.15},
          {"one basket / single basket": 0.85, "two baskets / twin basket": 1.30}),
         ("Parts go in the dishwasher.", "Fries with a spoon of oil.", "Beeps when it is done.")),
    Type("vacuum cleaner", "Appliances", 172,
         ({"upright": 0.80, "canister": 0.95, "cordless stick / stick": 1.20, "robot": 1.55},
          {"basic filter": 0.82, "washable filter": 0.98, "HEPA filter": 1.25},
          {"bagged / with bags": 0.90, "bagless / no bags": 1.10}),
         ("Good with pet hair.", "Reaches under the sofa.", "Quiet enough for evenings.")),
    Type("acoustic guitar", "Musical Instruments", 178,
         ({"laminate top": 0.60, "cedar top": 1.05, "solid spruce top / spruce top": 1.30},
          {"parlour size / small body": 0.85, "concert size": 1.00, "dreadnought / large body": 1.15},
          {"no pickup": 0.85, "with a pickup / electric pickup": 1.28}),
         ("Low action, easy to play.", "Comes with a strap.", "Warm and full tone.")),
    Type("digital piano", "Musical Instruments", 345,
         ({"61 keys": 0.58, "76 keys": 0.82, "88 keys": 1.22},
          {"light keys / unweighted keys": 0.75, "weighted keys": 1.05, "hammer action / hammer keys": 1.35},
          {"no stand": 0.92, "with a stand": 1.08}),
         ("Plays through headphones.", "Has a built in metronome.", "Records your practice.")),
)  # fmt: skip


def draw_product(rng):
    """One random product: a dict of its type, brand, condition, wordings and true price ($)."""
    kind = rng.choice(TYPES)
    brand = rng.choice(list(BRANDS))
    condition = rng.choices(list(CONDITIONS), weights=(6, 2, 2, 3))[0]
    brand_factor, home = BRANDS[brand]
    true_price = kind.base * brand_factor * CONDITIONS[condition][0]
    true_price *= AT_HOME if kind.category in home else 1.0
    features = []
    for attribute in kind.attributes:
        value = rng.choice(list(attribute))
        true_price *= attribute[value]
        features.append(rng.choice(value.split(" / ")))
    return {
        "kind": kind,
        "brand": brand,
        "features": features,
        "state": rng.choice(CONDITIONS[condition][1]),
        "colour": rng.choice(COLOURS),
        "remark": rng.choice(kind.remarks),
        "true_price": true_price,
    }


def describe(product, rng):
    """The text of a shop for `product`, in one of five wordings."""
    kind, brand, colour = product["kind"].name, product["brand"], product["colour"]
    state, remark = product["state"], product["remark"]
    features = list(product["features"])
    rng.shuffle(features)
    listed = f"{', '.join(features[:-1])} and {features[-1]}"
    wording = rng.randrange(5)
    if wording == 0:
        return f"{brand} {kind}, {', '.join(features)}, in {colour}. {state} {remark}"
    if wording == 1:
        return f"{kind.capitalize()} by {brand}: {listed}. Colour {colour}. {remark} {state}"
    if wording == 2:
        lines = "\n".join(f"- {feature}" for feature in features)
        return f"{brand} {kind} ({colour})\n{lines}\n{state} {remark}"
    if wording == 3:
        return f"{state} A {colour} {kind} from {brand} with {listed}. {remark}"
    return f"{remark} This is the {brand} {kind} in {colour}, {listed}. {state}"


def description_of(row):
    """The description inside a row's prompt."""
    return row["prompt"].removeprefix(f"{QUESTION}\n\n").removesuffix("\n\nPrice is $")


def noisy(true_price, sigma, rng):
    """A price in whole dollars: `true_price` times log-normal noise of width `sigma`."""
    return round(true_price * math.exp(sigma * rng.gauss(0, 1)))


def make_items(n_items, rng, taken):
    """`n_items` rows for the catalogue, no description in `taken` or twice; fills `taken`."""
    rows = []
    while len(rows) < n_items:
        product = draw_product(rng)
        description = describe(product, rng)
        price = noisy(product["true_price"], NOISE, rng)
        if description in taken or not 1 <= price <= 999:
            continue
        taken.add(description)
        rows.append(
            {
                "prompt": f"{QUESTION}\n\n{description}\n\nPrice is $",
                "completion": f"{price}.00",
                "category": product["kind"].category,
                "product": product["kind"].name,
                "true_price": round(product["true_price"], 2),
            }
        )
    return rows


def make_catalogue():
    """{"train": rows, "validation": rows, "test": rows}, always the same."""
    rng, taken = random.Random(SEED), set()
    return {split: make_items(n_items, rng, taken) for split, n_items in SIZES.items()}


def to_jsonl(rows):
    """`rows` as JSON Lines: UTF-8 bytes, one item a line."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def write_sums(folder=HERE):
    """Write the sha256 of every shipped file into SHA256SUMS, where the helpers look for it."""
    files = [*folder.glob("*.jsonl"), *folder.glob("pocket-llama/*")]
    names = sorted(path.relative_to(folder).as_posix() for path in files)
    sums = "".join(f"{hashlib.sha256((folder / n).read_bytes()).hexdigest()}  {n}\n" for n in names)
    (folder / "SHA256SUMS").write_bytes(sums.encode())


if __name__ == "__main__":
    for split, rows in make_catalogue().items():
        path = HERE / f"{split}.jsonl"
        path.write_bytes(to_jsonl(rows))
        print(f"{path.name}: {len(rows):,} items, {path.stat().st_size / 1e3:,.0f} kB")
    write_sums()
