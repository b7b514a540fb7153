"""Scenarios: what a submitting user does, over and over."""

from __future__ import annotations

from locust import constant

from loadtests.smtp_user import SubmissionUser


class KeptSession(SubmissionUser):
    """One session for the whole run, AUTH once, one message after the other without a pause."""

    wait_time = constant(0)
    tasks = (SubmissionUser.submit,)
