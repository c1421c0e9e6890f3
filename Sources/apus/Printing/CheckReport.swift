/// Returns the output of `apus config check` for a valid configuration: the keys that differ from
/// their defaults, each with its value, default and origin.
func report(on loaded: Loaded) -> String {
    let changed = Schema.keys.filter { $0.value(in: loaded.draft) != $0.initial }
    guard !changed.isEmpty else {
        return "configuration is valid\nevery key has its default"
    }
    let lines = changed.map { key in
        let place = loaded.origins[key.name].map { ", set by \($0)" } ?? ""
        let value = key.shown(key.value(in: loaded.draft))
        // The default of a secret is shown too: it is empty.
        let initial = key.initial.isEmpty ? "\"\"" : key.initial
        return "\(key.name) = \(value) (default \(initial)\(place))"
    }
    return (["configuration is valid"] + lines).joined(separator: "\n")
}
