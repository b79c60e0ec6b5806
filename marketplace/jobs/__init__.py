"""Long work of a person: imports, exports, replays. It goes on while nobody looks, and says how far it is."""
