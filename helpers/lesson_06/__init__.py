"""What lesson 6 (LoRA's parameter count) alone owns: its checks, pictures and widget."""
