"""The Denoising Refinement Diffusion Model (paper Sec. IV-B): design, network, loss, sampler."""
