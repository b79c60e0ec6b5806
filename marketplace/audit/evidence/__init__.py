"""Packs of evidence: the rows of a case, their hashes and the audit chain's proof, checkable offline."""
