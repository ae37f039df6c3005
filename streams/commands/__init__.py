"""Commands for people on call: acknowledge, silence, list, try the channels. A composition root."""
