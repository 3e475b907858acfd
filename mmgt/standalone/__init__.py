"""What ComfyUI gives inside of it: VAE, image encoder, schedulers, and ``animate``, which runs both stages."""
