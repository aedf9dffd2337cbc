"""Figures of the project, measured on this machine; part of a checkout, not of the installed package."""
