"""Tests of the embedded gateway, against a real upstream on loopback."""
