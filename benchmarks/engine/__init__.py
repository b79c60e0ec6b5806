"""The clearing engine against its peers on generated markets: ``python -m benchmarks.engine.run``."""
