"""What leaves this system for addresses that others choose."""
