/// One extension with its parameters, as offered or agreed in `Sec-WebSocket-Extensions`
/// (RFC 6455 §9.1). Names and values are tokens.
package struct ExtensionOffer: Sendable, Hashable {
    /// One parameter; `value` is `nil` where there is only a name.
    package struct Parameter: Sendable, Hashable {
        package var name: String
        package var value: String?

        package init(name: String, value: String? = nil) {
            self.name = name
            self.value = value
        }
    }

    package var name: String
    /// In the order of the header; a name may be there twice, which its extension judges.
    package var parameters: [Parameter]

    package init(name: String, parameters: [Parameter] = []) {
        self.name = name
        self.parameters = parameters
    }

    /// As it stands in the header: `permessage-deflate; client_max_window_bits; x=10`.
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

    /// Several, as one header line.
    package static func headerValue(_ offers: [ExtensionOffer]) -> String {
        offers.map(\.headerValue).joined(separator: ", ")
    }
}
