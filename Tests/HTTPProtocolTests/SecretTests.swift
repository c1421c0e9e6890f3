import Testing

@testable import HTTPProtocol

@Suite("Secrets")
struct SecretTests {
    @Test(
        "Only the same bytes are the secret",
        arguments: [
            ("secret", "secret", true), ("secret", "secrets", false), ("secrets", "secret", false),
            ("secretsecret", "secret", false), ("Secret", "secret", false), ("", "secret", false),
            ("secret", "", false), ("", "", false), ("é", "e\u{301}", false),
        ])
    func comparison(given: String, expected: String, isSecret: Bool) {
        #expect(ExactString(given).isSecret(expected) == isSecret)
    }
}
