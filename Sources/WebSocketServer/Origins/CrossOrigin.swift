import HTTPProtocol
import HTTPTypes
import WebSocketProtocol

/// The pages of other origins that may read a response, as its head tells browsers (the Fetch
/// standard, "CORS protocol").
///
/// Pages bring tokens themselves and there are no cookies, so no response allows credentials.
enum CrossOriginAccess: Sendable, Equatable {
    /// No page may, with any request.
    case never
    /// This request's page may not, but others' may.
    case withheld
    /// Pages of this origin may. It is spelled as in the request.
    case granted(to: String)
    /// All pages may.
    case toAll

    /// Adds the header fields to a response, unless its handler has set them itself.
    func add(to fields: inout HTTPFields) {
        if self == .never || fields[.accessControlAllowOrigin] != nil { return }
        if self != .toAll {
            // Caches must not give one page's response to another.
            fields.append(HTTPField(name: .vary, value: "Origin"))
        }
        guard let origin = allowedOrigin else { return }
        fields[.accessControlAllowOrigin] = origin
        // Lets pages read fields such as Retry-After. Without credentials, `*` is all names.
        fields[.accessControlExposeHeaders] = fields[.accessControlExposeHeaders] ?? "*"
    }

    /// Adds the header fields of the answer to a preflight: how such a page may request the
    /// resource.
    func addPermissions(
        methods: String, to fields: inout HTTPFields, requested: HTTPFields
    ) {
        guard allowedOrigin != nil else { return }
        fields[.accessControlAllowMethods] = methods
        // A list that can't be read allows nothing: tokens can't end the line.
        let names = try? HeaderGrammar.tokens(.accessControlRequestHeaders, in: requested)
        let allowed = names?.filter { !Self.speaksForProxies($0) } ?? []
        if !allowed.isEmpty {
            // An asterisk would leave out Authorization.
            fields[.accessControlAllowHeaders] = allowed.joined(separator: ", ")
        }
        fields[.accessControlMaxAge] = "600"
    }

    /// Whether this request's page may read the response.
    var isGranted: Bool { allowedOrigin != nil }

    private var allowedOrigin: String? {
        switch self {
        case .never, .withheld: nil
        case .granted(let origin): origin
        case .toAll: "*"
        }
    }

    /// Returns whether proxies report the client's address in a field. No page may set such a field
    /// itself.
    private static func speaksForProxies(_ name: String) -> Bool {
        let name = name.utf8.map(\.lowercased)
        return name.starts(with: "x-forwarded-".utf8) || name.elementsEqual("forwarded".utf8)
            || name.elementsEqual("x-real-ip".utf8)
    }
}

extension OriginPolicy {
    /// Returns which pages may read the response to a request with such an `Origin`; `nil` if none
    /// may.
    func access(for origin: String?) -> CrossOriginAccess {
        if allowsAny { return .toAll }
        if patterns.isEmpty { return .never }
        guard let origin, let named = Origin(origin), lists(named) else { return .withheld }
        return .granted(to: origin)
    }
}
