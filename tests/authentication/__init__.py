"""Tests of `host.authentication`."""
