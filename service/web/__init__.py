"""The web page at ``/``: plain HTML, CSS and JavaScript, served unchanged."""
