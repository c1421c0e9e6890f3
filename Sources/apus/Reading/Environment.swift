/// The settings from the environment: the variables for keys, and warnings about others.
struct EnvironmentReading {
    private static let prefix = "APUS_"

    /// The variables that set a key, none of them empty.
    private(set) var variables: [String: String] = [:]
    /// A warning for each variable that looks like a setting but is none.
    private(set) var unknown: [Fault] = []
    /// The keys whose variables are ignored, and the reason; completes "VARIABLE is …".
    private(set) var ignored: [String: String] = [:]

    init(_ environment: [String: String]) {
        let keys = Dictionary(
            uniqueKeysWithValues: Schema.keys.map { ($0.environmentVariable, $0) })
        for (name, value) in environment.sorted(by: { $0.key < $1.key })
        where name.hasPrefix(Self.prefix) && name != ConnectCommand.tokenVariable {
            if let key = keys[name] {
                if value.isEmpty {
                    ignored[key.name] = "empty"
                } else if isServiceLink(name, value) {
                    ignored[key.name] = "a service link of Kubernetes"
                } else {
                    variables[name] = value
                }
            } else if !isServiceLink(name, value) {
                unknown.append(Fault(unknownVariable: name))
            }
        }
    }
}

/// Returns whether Kubernetes or Docker set the variable for a service whose name is, or begins
/// with, "apus". They give every container the addresses of the services in its namespace or
/// network.
func isServiceLink(_ name: String, _ value: String) -> Bool {
    let words = name.split(separator: "_")
    // SERVICE_HOST, SERVICE_PORT, SERVICE_PORT_HTTP
    let isService = zip(words, words.dropFirst()).contains {
        $0 == "SERVICE" && ($1 == "HOST" || $1 == "PORT")
    }
    if isService { return true }
    // PORT=tcp://10.0.0.1:8080
    if words.last == "PORT", isLink(value) { return true }
    // PORT_8080_TCP, followed by nothing, ADDR, PORT or PROTO
    return words.indices.dropLast(2).contains { index in
        words[index] == "PORT" && Int(words[index + 1]) != nil
            && protocols.contains(words[index + 2].lowercased())
    }
}

private let protocols = ["tcp", "udp", "sctp"]

/// Returns whether `text` is a protocol, an address and a port, such as `tcp://10.0.0.1:8080`.
private func isLink(_ text: String) -> Bool {
    protocols.contains { text.hasPrefix("\($0)://") }
}
