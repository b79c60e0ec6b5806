"""The agent of a site: it runs at the data centre beside the scheduler, and knows the exchange by its API."""
