"""Spreadsheets: cells as people see them, rows as lines with the names of their columns."""
