"""Which configurations a search should begin with: measured on public sets, chosen greedily, validated left out."""
