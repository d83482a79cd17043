"""A small world of drawn shapes with captions, on which the embedded picture models are trained.

Registries carry no pretrained CLIP or diffusion weights, so these are learned here: `scenes` says
what may be drawn, `captions` says it in Korean and English, `painting` draws it.
"""
