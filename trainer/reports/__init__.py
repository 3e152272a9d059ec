"""Figures for people: the `report` of runs as a page, and tables for a terminal."""
