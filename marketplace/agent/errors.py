"""What stops the agent's work on one delivery, and never the agent."""

from __future__ import annotations


class AgentError(Exception):
    """Says in words what is wrong, with what. The work is tried again at the next turn."""


class Unreadable(AgentError):
    """A program of the site answered in a way that is not understood. Nothing is guessed from it."""


class SiteProblem(AgentError):
    """Something at the site has to be put right by its people: the message says what."""
