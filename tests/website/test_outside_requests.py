from __future__ import annotations

import pytest

from website.outside_requests import loaded_by_styles, loaded_from_elsewhere


@pytest.mark.parametrize(
    "page",
    [
        '<script src="https://unpkg.com/x.js"></script>',
        '<link rel="stylesheet" href="//fonts.googleapis.com/css">',
        '<link href="https://fonts.gstatic.com" rel="preconnect" crossorigin>',
        '<img src="http://example.org/a.png">',
        "<style>body{background:url(https://example.org/a.png)}</style>",
        "<p style=\"background: url('https://example.org/a.png')\">",
        '<pre class="mermaid"><code>graph</code></pre>',
    ],
)
def test_what_a_browser_would_fetch_is_found(page: str) -> None:
    assert len(loaded_from_elsewhere(page)) == 1


@pytest.mark.parametrize(
    "page",
    [
        '<a href="https://example.org">there</a>',
        '<link rel="canonical" href="https://example.org">',
        '<script src="assets/bundle.js"></script><img src="images/a.png"><img src="data:image/png;base64,AA//">',
        "<code>url(https://example.org)</code>",
    ],
)
def test_a_link_is_no_request(page: str) -> None:
    assert loaded_from_elsewhere(page) == []


def test_styles() -> None:
    assert loaded_by_styles('@import "https://example.org/a.css"; a{b:url(//example.org/c.woff2)}') == [
        "https://example.org/a.css",
        "//example.org/c.woff2",
    ]
    assert loaded_by_styles("a{b:url(../images/c.svg)} /* https://example.org */") == []
