import Foundation

/// A fault for each variable that begins with `APUS_` and stands for no key.
func unknownVariables(in environment: [String: String]) -> [Fault] {
    let known = Schema.keys.map(\.environmentVariable)
    return environment.keys.sorted()
        .filter { $0.hasPrefix("APUS_") && !known.contains($0) }
        .filter { !isServiceLink($0, environment[$0] ?? "") }
        .map { Fault(unknownVariable: $0) }
}

/// Whether Kubernetes set the variable because a service's name is, or begins with, "apus":
/// it gives every container the addresses of its namespace's services.
func isServiceLink(_ name: String, _ value: String) -> Bool {
    if name.hasSuffix("_SERVICE_HOST") || name.hasSuffix("_SERVICE_PORT")
        || name.contains("_SERVICE_PORT_")
    {
        return true
    }
    if name.hasSuffix("_PORT") { return value.contains("://") }
    guard let port = name.range(of: "_PORT_", options: .backwards) else { return false }
    let parts = name[port.upperBound...].split(separator: "_")
    return parts.count >= 2 && Int(parts[0]) != nil && ["TCP", "UDP", "SCTP"].contains(parts[1])
}
