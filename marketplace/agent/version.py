"""Told with each heartbeat. The exchange's is the one that it ships."""

VERSION = "0.1.0"
