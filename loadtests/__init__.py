"""Load on a submission service: Locust users that speak the dialogue by hand, and what they saw."""
