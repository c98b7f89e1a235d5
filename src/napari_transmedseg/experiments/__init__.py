"""Declared experiments: methods compared on real data, each one command away."""
