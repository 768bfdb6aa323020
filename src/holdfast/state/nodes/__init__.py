"""What is known of the rows of a value, part by part, beside the objects that stand for them."""
