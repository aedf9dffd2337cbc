"""What every page and progress line of ours is made of: words for numbers, markup, axes, shapes, tables, one look."""
