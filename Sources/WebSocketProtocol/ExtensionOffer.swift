/// An extension with its parameters, offered or negotiated in `Sec-WebSocket-Extensions`
/// (RFC 6455 §9.1). Names and values are tokens.
package struct ExtensionOffer: Sendable, Hashable {
    /// A parameter; `value` is `nil` if there is only a name.
    package struct Parameter: Sendable, Hashable {
        package var name: String
        package var value: String?

        package init(name: String, value: String? = nil) {
            self.name = name
            self.value = value
        }
    }

    package var name: String
    /// The parameters in the order of the header. A name may be repeated; the extension checks
    /// that.
    package var parameters: [Parameter]

    package init(name: String, parameters: [Parameter] = []) {
        self.name = name
        self.parameters = parameters
    }

    /// The notation in the header: `permessage-deflate; client_max_window_bits; x=10`.
    package var headerValue: String {
        assert(HeaderGrammar.isToken(name))
        var text = name
        for parameter in parameters {
            assert(HeaderGrammar.isToken(parameter.name))
            text += "; " + parameter.name
            if let value = parameter.value {
                assert(HeaderGrammar.isToken(value))
                text += "=" + value
            }
        }
        return text
    }

    /// Returns several extensions as one header line.
    package static func headerValue(_ offers: [ExtensionOffer]) -> String {
        offers.map(\.headerValue).joined(separator: ", ")
    }
}
