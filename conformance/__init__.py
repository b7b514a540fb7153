"""The conformance suite: what a submission service must do, checked from outside."""

SUITE_VERSION = "0.1.0"
