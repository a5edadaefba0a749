"""How good the model is: the paper's tables, its ten baselines on the same work, and studies of our choices."""
