"""Measuring the name server: beside its peers, and for a minute among hostile packets.

python -m fake_dns.benchmark compare --out docs/performance-dns.md
python -m fake_dns.benchmark endure --seconds 60
"""
