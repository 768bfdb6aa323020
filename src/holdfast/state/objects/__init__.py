"""The Python side: values that tell their changes, and who else holds them."""
