"""The reference city: simulated ground truth on a real or fictional map."""
