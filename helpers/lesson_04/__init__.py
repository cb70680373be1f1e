"""What lesson 4 (next-token loss) alone owns: its checks and pictures."""
