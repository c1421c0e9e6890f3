"""No source compares, hashes or iterates text of a peer as a `String`.

Swift does that by canonical equivalence and by grapheme cluster. The time grows with the square of
the number of combining marks in a row. `ExactString` and bytes are for such text.
"""

import re

import pytest
from apus import ROOT

# The targets that process text of peers. The others process arguments, files and measurements.
FOLDERS = [
    "HTTPProtocol", "WebSocketProtocol", "UVTransport", "PubSub", "WebSocketServer", "RedisBroker",
]
FOLDERS += ["RedisProtocol", "AppInput", "RealtimeApp", "apus/Connect"]

SUSPECT = re.compile(
    r"""
    # Strings as keys, and what makes such keys.
    \[String\s*: | (Set|Dictionary)<String | \bSet\( | JSONDecoder | JSONSerialization
    # What folds, looks through or normalizes a String.
    | \.(lower|upper)cased\(\) | \.capitalized | localized | caseInsensitive
    | \.has(Prefix|Suffix)\( | \.range\(of: | \.firstRange\(of: | \.replacing\(
    | removingPercentEncoding | replacingOccurrences | trimmingCharacters | CanonicalMapping
    # What walks Characters.
    | \bCharacter\( | (\$0|\\)\.is(Whitespace|Newline|Letter|Number|HexDigit)\b
    | \bcontains\(" | ((?<!joined\()separator|(first|last)Index\(of):\s*" | \$0\s*[!=]=\s*"
    # A field's value, or exact text, that is a String again.
    | headerFields\[(?!exact:)\.?\w+\](?!\s*=[^=]) | \.string\s*[!=]= | [!=]=\s*\w+\.string\b
    """,
    re.VERBOSE,
)

OURS = "text of the program itself"
CONFIGURED = "text of the operator's configuration or files"
# Parts of lines that never contain text of a peer, and why. "" stands for a whole file.
ALLOWED = {
    "apus/Connect/ConnectionReport.swift": {
        '.hasSuffix("(\\(reason))")': "a close reason, of 123 bytes at most",
        "headerFields[.location]": "printed only",
    },
    "apus/Connect/TerminalClient.swift": {
        '$0 != "?"': OURS,
        "headerFields[.secWebSocketExtensions]": "printed only",
    },
    "RealtimeApp/Authentication/Authentication.swift": {'host.hasPrefix("127.")': OURS},
    "RealtimeApp/Authentication/AuthenticationOptions.swift": {"": CONFIGURED},
    "RealtimeApp/Authentication/KeySet.swift": {'keyOperations?.contains("': "exact texts"},
    "RealtimeApp/Authentication/PasswordHash.swift": {"": CONFIGURED},
    "RealtimeApp/Authentication/UsersFile.swift": {
        "whereSeparator": CONFIGURED,
        "trimmingCharacters": CONFIGURED,
        'line.hasPrefix("#")': CONFIGURED,
        'firstIndex(of: ":")': CONFIGURED,
        'name.contains(":")': CONFIGURED,
        "Set(users.values": "costs of hashes",
        "CanonicalMapping": "a user's name in any spelling, of 512 bytes at most",
    },
    "AppInput/Fields.swift": {"_ ctx: [String: ": OURS},
    "AppInput/ValidationFault.swift": {"ctx: [String: Item]?": OURS},
    "RedisBroker/RedisURL.swift": {"": CONFIGURED},
    "WebSocketProtocol/OpeningHandshake.swift": {"Set(tokens)": "tokens, which are ASCII"},
    "WebSocketServer/Client/WebSocketClient.swift": {"Set(subprotocols)": OURS},
    "WebSocketServer/Client/WebSocketClient+Get.swift": {"text.lowercased()": CONFIGURED},
    "WebSocketServer/Client/WebSocketURL.swift": {"": OURS},
    "WebSocketServer/Configuration/OriginPolicy.swift": {"": "origins, tested by themselves"},
    "WebSocketServer/Configuration/ProxyConfiguration.swift": {"": CONFIGURED},
    "WebSocketServer/Descriptions/APIDocument.swift": {"": OURS},
    "WebSocketServer/Descriptions/AsyncAPIDocument.swift": {"": OURS},
    "WebSocketServer/Descriptions/DescribedRoute.swift": {"": OURS},
    "WebSocketServer/Descriptions/DocumentValue.swift": {"": OURS},
    "WebSocketServer/Descriptions/JSONSchema.swift": {"": OURS},
    "WebSocketServer/Descriptions/OpenAPIDocument.swift": {"": OURS},
    "WebSocketServer/HTTP/HTTPExchange.swift": {
        "access(for: request.headerFields[.origin])": "origins, which are bytes there",
    },
    "WebSocketServer/HTTP/HTTPSettings.swift": {"[String: SessionOptions]": "paths of routes"},
    "WebSocketServer/Metrics/Server+Statistics.swift": {"Set(0..<count)": "numbers"},
    "WebSocketServer/Metrics/ServerMetrics.swift": {"[String: Reported]": OURS},
    "WebSocketServer/Origins/OriginCheck.swift": {"": "origins, tested by themselves"},
    "WebSocketServer/Middleware/CORS.swift": {"headerFields[.allow]": OURS},
    "WebSocketServer/Routing/PathPattern.swift": {"": OURS},
    "WebSocketServer/Routing/Request.swift": {"[String: ExactString]": OURS},
    "WebSocketServer/Routing/Router.swift": {".hasPrefix(": OURS},
    "WebSocketServer/Server/BoundAddress.swift": {'host.contains(":")': OURS},
}


def found():
    """Returns the suspicious lines, as file, number and text."""
    for folder in FOLDERS:
        for path in sorted((ROOT / "Sources" / folder).rglob("*.swift")):
            name = str(path.relative_to(ROOT / "Sources"))
            for number, line in enumerate(path.read_text().splitlines(), 1):
                code = re.sub(r"(^|\s)//.*|UInt8\(ascii: \"[^\"]*\"\)", "", line)
                if SUSPECT.search(code):
                    yield name, number, code.strip()


def test_text_of_peers_is_compared_by_its_bytes():
    suspects = [
        f"{name}:{number}: {code}"
        for name, number, code in found()
        if not any(part in code for part in ALLOWED.get(name, {}))
    ]
    assert not suspects, "\n".join(suspects)


@pytest.mark.parametrize("name", ALLOWED)
def test_the_exceptions_still_exist(name):
    lines = [code for file, _, code in found() if file == name]
    for part in ALLOWED[name]:
        assert any(part in code for code in lines), part


@pytest.mark.parametrize(
    "line",
    [
        "var members: [String: JSONValue] = [:]", "let seen = Set<String>()",
        'guard scheme.lowercased() == "bearer" else {', 'if text.hasPrefix("+") {',
        "let value = try JSONDecoder().decode(Header.self, from: data)",
        'let sides = pair.split(separator: "=", maxSplits: 1)', 'field.prefix { $0 != " " }',
        "while digits.first.map({ $0.isWhitespace }) == true {", 'name.contains(":")',
        "if head.headerFields[.contentType] == other {", "one.string == other",
        "text.precomposedStringWithCanonicalMapping",
    ],
)
def test_a_new_violation_is_detected(line):
    assert SUSPECT.search(line)


@pytest.mark.parametrize(
    "line",
    [
        "var members: [ExactString: JSONValue] = [:]", "fields[exact: .contentType]",
        "response.headerFields[.cacheControl] = value", "bytes.split(separator: comma)",
        "let text: [String] = []", "name.map(\\.lowercased)", "where element == wanted {",
    ],
)
def test_bytes_are_not_suspicious(line):
    assert not SUSPECT.search(line)
