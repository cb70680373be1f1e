"""What lesson 9 (evaluation) alone owns: its checks, pictures and widget."""
