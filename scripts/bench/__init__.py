"""Measurements, each with its baseline beside it."""
