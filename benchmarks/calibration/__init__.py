"""Whether intervals hold what they promise: over many origins of all public sets together."""
