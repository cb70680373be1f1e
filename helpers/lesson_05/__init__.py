"""What lesson 5 (hyperparameters) alone owns: its checks and pictures."""
