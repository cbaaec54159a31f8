"""Tables as server, client and command line share them: roles of columns, written times, numbers in CSV cells."""
