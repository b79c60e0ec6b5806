"""The demo market: sites, offers and requests made of public traces and published prices."""
