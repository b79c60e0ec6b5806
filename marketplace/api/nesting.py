"""How deep JSON may be nested."""

# Far more than any body of ours has, and far less than what Python can walk through.
DEEPEST = 32


def is_deeper(value: object, levels: int) -> bool:
    """Whether lists and objects are nested in each other more than so many levels."""
    if not isinstance(value, (dict, list)):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(is_deeper(each, levels - 1) for each in inner)
