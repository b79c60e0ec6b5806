"""Kubernetes as a driver, spoken to by its REST API."""
