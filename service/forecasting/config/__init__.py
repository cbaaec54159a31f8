"""The options of a training and what is made of them."""
