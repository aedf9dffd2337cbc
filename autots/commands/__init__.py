"""What ``zoo fit`` and its sisters do: each module is imported only when its command is invoked."""
