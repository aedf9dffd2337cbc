"""What ``zoo serve`` and its sisters do; ``serve.cli`` has their texts."""
