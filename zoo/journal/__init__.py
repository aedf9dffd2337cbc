"""Append-only files of lines that several processes write and read: studies, routers, actuals.

One rule for each thing that can happen to such a file, whatever its lines hold (a ``Codec`` says that):

- **Writers take turns**, by a lock on the file itself, and first take in what the others wrote: so all hold the same.
- **A transaction is there as a whole or not at all.** It is one write. A tail without its end, which a killed writer
  left, counts as never written; the next writer cuts it off.
- **A line that is whole and cannot be read was damaged by something else. It is never skipped and never silent.** An
  error says file, line, byte and how it begins; ``zoo journal mend FILE`` sets it aside into ``FILE.damaged``. Who has
  the journal open keeps what was read before, and goes on by itself once the file was mended.
"""

from zoo.journal.codec import UNREADABLE, Codec, Damage, Line, json_line
from zoo.journal.journal import Journal
from zoo.journal.parsing import read

__all__ = ["UNREADABLE", "Codec", "Damage", "Journal", "Line", "json_line", "read"]
