"""What server, client and command line share about tables: roles of columns, written times, numbers in CSV cells."""
