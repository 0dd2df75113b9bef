"""Misbehaving plugins. Tests copy them into a site's plugin folders; nobody imports them."""
