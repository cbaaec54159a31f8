"""Which requests are accepted: keys, permissions, hosts, rates and load."""
