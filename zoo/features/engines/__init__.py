"""Who computes: pandas in this process, or Spark."""
