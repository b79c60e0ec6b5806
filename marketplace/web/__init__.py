"""What every page shares: formats, charts drawn on the server, components, navigation."""
