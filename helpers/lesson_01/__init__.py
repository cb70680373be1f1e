"""What lesson 1 (tensors) alone owns: its checks, pictures and widget."""
