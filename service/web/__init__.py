"""The web page at ``/``: plain HTML, CSS and JavaScript, sent as they stand here."""
