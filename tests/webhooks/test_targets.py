"""The operator's file of webhooks."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from service.webhooks.targets import WebhookTarget, read_webhooks

KEY = bytes(range(32))
SECRET = f"whsec_{base64.b64encode(KEY).decode()}"


def read(tmp_path: Path, text: str | bytes) -> object:
    file = tmp_path / "webhooks.toml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_webhooks(file)


def test_one_webhook_for_each_tenant(tmp_path: Path) -> None:
    text = f'[acme]\nurl = "https://example.org/hook?x=1"\nsecret = "{SECRET}"\n\n[default]\n'
    text += f'url = "http://localhost:9000"\nsecret = "{SECRET}"\n'
    assert read(tmp_path, text) == {
        "acme": WebhookTarget("https://example.org/hook?x=1", KEY),
        "default": WebhookTarget("http://localhost:9000", KEY),
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[acme]\nurl = "https://x"\n', r"^\[acme\]: it must have url and secret"),
        (f'[acme]\nurl = "ftp://x"\nsecret = "{SECRET}"', r"^\[acme\]: url must be an http or https URL"),
        (f'[acme]\nurl = "https://"\nsecret = "{SECRET}"', "url must be an http or https URL"),
        *(
            (f'[acme]\nurl = "{url}"\nsecret = "{SECRET}"', "url must be an http or https URL")
            for url in (
                "http://x:abc/",
                "http://x:99999/",
                "http://ex ample/",
                "http://x/a b",
                r"http://x/\n",
            )
        ),
        (f'[acme]\nurl = 7\nsecret = "{SECRET}"', "url must be"),
        ('[acme]\nurl = "https://x"\nsecret = "hunter2"', r"^\[acme\]: secret: write whsec_"),
        ('[acme]\nurl = "https://x"\nsecret = "whsec_aHVudGVyMg=="', "24 to 64 random bytes"),
        ('[acme]\nurl = "https://x"\nsecret = "whsec_hunter2!"', "secret: write"),
        (f'[Acme Inc]\nurl = "https://x"\nsecret = "{SECRET}"', "no TOML"),
        (f'["Acme Inc"]\nurl = "https://x"\nsecret = "{SECRET}"', "not a valid name"),
        ("acme = 1", "it must have url and secret"),
        (b"\xff\xfe", "not text in UTF-8"),
        (b"#" * (2**20 + 1), "larger than"),
    ],
)
def test_errors_name_the_entry_but_no_secret(tmp_path: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        read(tmp_path, text)
    assert "hunter2" not in str(caught.value)
    assert SECRET not in str(caught.value)


def test_no_secret_is_shown_by_a_target() -> None:
    assert "secret" not in repr(WebhookTarget("https://x", KEY))
