"""Proving sender domains: SPF by evaluation, DKIM by its key, again and again (D-15 … D-18)."""
