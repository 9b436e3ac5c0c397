"""What a GPU does with Pinch's own code: tuning, answers and attention with random weights of real architectures.

    python benchmarks/gpu.py [--out FOLDER] [--budget SECONDS] [--parts lora,check] [--models qwen3-0.6b] [--small]

One GPU, no network, under eight minutes; docs/gpus.md says what is measured. Progress goes to standard error; a Markdown
table to standard output and, with all numbers as JSON, to the folder, anew after every measurement. Exit code 1 when a part
failed. --small: tiny sizes on whatever there is, to see that everything runs.
"""

from gpu.program import main

if __name__ == "__main__":
    raise SystemExit(main())
