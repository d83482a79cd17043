"""The diffusion server: pictures from words, from pictures, and into masked parts of pictures."""
