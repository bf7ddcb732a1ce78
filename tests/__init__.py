"""Tests, by the package they enter."""
