"""Findings: what an auditor should look at, who found it, what it rests on, and what came of it."""
