"""What a forwarded request costs, beside bare Flask with requests: `python -m bench`, or `make bench`."""
