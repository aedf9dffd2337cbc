"""What people write down for this platform: files, read so that a mistake can be pointed at."""

from zoo.spec.lines import Lines, read_fields, read_yaml
from zoo.spec.mistakes import first_mistake

__all__ = ["Lines", "first_mistake", "read_fields", "read_yaml"]
