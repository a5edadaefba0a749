"""Measured traffic: reading tables, times and sites, and fitting them to the levels of a region."""
