"""The few icons in use: path data on a 16 × 16 grid, drawn as strokes."""

ICONS: dict[str, str] = {
    "account": "M8 8.5a3 3 0 1 0 0-6 3 3 0 0 0 0 6ZM2.5 14c.6-2.6 2.8-4 5.5-4s4.9 1.4 5.5 4",
    "attention": "M8 2 14.5 13.5h-13ZM8 6.5v3.5M8 11.9v.1",
    "bell": "M4 11.5V7a4 4 0 0 1 8 0v4.5M2.5 11.5h11M6.8 13.8h2.4",
    "check": "M3 8.5 6.5 12 13 4.5",
    "chevron": "M6 3.5 10.5 8 6 12.5",
    "clock": "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12ZM8 4.5V8l2.5 1.5",
    "close": "M4 4l8 8M12 4l-8 8",
    "copy": "M5.5 5.5h8v8h-8zM10.5 5.5v-3h-8v8h3",
    "down": "M8 3v10M4 9l4 4 4-4",
    "download": "M8 2.5v8M4.5 7.5 8 11l3.5-3.5M3 13.5h10",
    "evidence": "M4 1.5h5.5L13 5v9.5H4ZM9.5 1.5V5H13M6 8.5h5M6 11h5",
    "globe": "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12ZM2 8h12M8 2c4 4 4 8 0 12-4-4-4-8 0-12",
    "harm": "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12ZM8 5v3.5M8 10.9v.1",
    "info": "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12ZM8 7.5v3.5M8 5.1v.1",
    "menu": "M2.5 4.5h11M2.5 8h11M2.5 11.5h11",
    "moon": "M13.5 9.5A6 6 0 0 1 6.5 2.5a6 6 0 1 0 7 7Z",
    "organisation": "M2.5 14V3.5h6V14M8.5 7h5v7M1.5 14h13M5 6.5h1M5 9.5h1M11 10h.5",
    "plus": "M8 3v10M3 8h10",
    "search": "M7 12A5 5 0 1 0 7 2a5 5 0 0 0 0 10ZM10.5 10.5 14 14",
    "sun": "M8 11a3 3 0 1 0 0-6 3 3 0 0 0 0 6ZM8 1v1.5M8 13.5V15M1 8h1.5M13.5 8H15M3 3l1 1M12 12l1 1M3 13l1-1M12 4l1-1",  # noqa: E501
    "system": "M2 3h12v8H2ZM6 14h4M8 11v3",
    "up": "M8 13V3M4 7l4-4 4 4",
}
