"""The parts of benchmarks/gpu.py: `program` plans and keeps time, `child` measures in a process of its own."""
