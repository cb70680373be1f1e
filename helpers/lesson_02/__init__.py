"""What lesson 2 (autograd) alone owns: its checks, pictures and widget."""
