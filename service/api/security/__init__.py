"""Which requests are let in: keys, permissions, hosts, rates and load."""
