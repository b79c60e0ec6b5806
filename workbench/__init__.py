"""What a developer runs: `make demo`, `make test` and their relatives. Production does not import this."""
