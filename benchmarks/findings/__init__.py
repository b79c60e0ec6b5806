"""How many findings the detectors make on the demo market, and whether its cheats are among them."""
