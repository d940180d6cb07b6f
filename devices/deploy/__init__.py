"""Bundles carried to boards over ssh, installed, tested and measured there."""
