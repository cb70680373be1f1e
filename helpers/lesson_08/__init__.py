"""What lesson 8 (QLoRA fine-tuning) alone owns: its checks, pictures and widget."""
