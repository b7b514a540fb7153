"""Relays that break promises rarely, or only under load; a load run must catch each of them."""
