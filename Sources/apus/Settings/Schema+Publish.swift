import RealtimeApp
import WebSocketServer

/// The keys of publishing by requests.
extension Schema {
    static let publish: [Key] = [
        Key(
            "publish.api_key", AdminToken(), \.auth.publishKey,
            """
            The key that `POST /publish` demands as `Authorization: Bearer KEY`. A token is \
            accepted, too, if `auth.required_for` has `publish`.
            """, isSecret: true)
    ]
}

/// The place of a JWK Set: a path, or an `http` or `https` URL; empty means `nil`.
struct KeySetLocation: Kind {
    let accepted = "a path, an http or https URL, or empty (none)"

    func parse(_ text: String) throws(Rejection) -> String? {
        let lowercased = text.lowercased()
        guard lowercased.hasPrefix("http://") || lowercased.hasPrefix("https://") else {
            return try OptionalText.path.parse(text)
        }
        do throws(ClientError) {
            _ = try WebSocketURL(httpURL: text)
        } catch {
            throw Rejection(problem: "not a URL that can be fetched")
        }
        return text
    }

    func write(_ value: String?) -> String { value ?? "" }
}
