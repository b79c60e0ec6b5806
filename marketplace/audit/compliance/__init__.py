"""What sites have to keep to, as data, and whether they do."""
