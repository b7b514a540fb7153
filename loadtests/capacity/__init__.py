"""Capacity: the highest rate that meets the objectives, with an interval and a reason."""
