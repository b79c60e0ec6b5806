"""Who of the exchange looked at whom, and how long personal data is kept."""
