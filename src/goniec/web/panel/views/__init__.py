"""The pages, one room for each part of the panel."""
