"""The exchange's side of the site agents: who they are, that it is them who ask, and how they are.

The program that runs at the sites is ``marketplace.agent``, of which only the version is imported here.
"""
