"""Volumes, label maps and their geometry; reading and writing files. No torch here."""
