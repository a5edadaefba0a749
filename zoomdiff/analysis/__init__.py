"""What a generated week and its place show: one module per question."""
