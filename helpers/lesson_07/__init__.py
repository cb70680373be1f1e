"""What lesson 7 (quantization) alone owns: its checks and pictures."""
