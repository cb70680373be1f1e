"""What lesson 3 (inside an LLM) alone owns: its text to train on, checks and pictures."""
