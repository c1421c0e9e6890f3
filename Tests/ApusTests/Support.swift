import Foundation

@testable import apus

/// Loads the configuration with `yaml` as the file, which is deleted afterwards.
func load(
    yaml: String? = nil, environment: [String: String] = [:], set: [(String, String)] = []
) throws(ConfigurationFaults) -> Loaded {
    let path = yaml.map(temporaryFile)
    defer { if let path { try? FileManager.default.removeItem(atPath: path) } }
    return try load(
        Sources(
            file: path, environment: environment,
            overrides: set.map { Override(option: "--set", key: $0.0, text: $0.1) }))
}

/// Returns the errors of a configuration, each as its line. The path of the file is replaced by
/// `FILE`.
func faults(
    yaml: String? = nil, environment: [String: String] = [:], set: [(String, String)] = []
) -> [String] {
    do {
        _ = try load(yaml: yaml, environment: environment, set: set)
        return []
    } catch {
        return error.faults.map {
            $0.description.replacing(#/^.*apus-test-[-0-9A-F]+\.yaml/#, with: "FILE")
        }
    }
}

/// Writes a file and returns its path.
func temporaryFile(_ contents: String) -> String {
    let path = NSTemporaryDirectory() + "/apus-test-\(UUID().uuidString).yaml"
    _ = FileManager.default.createFile(atPath: path, contents: Data(contents.utf8))
    return path
}

/// Returns one key as nested YAML sections.
func nestedYAML(_ key: String, _ value: String) -> String {
    let words = key.split(separator: ".")
    let lines = words.enumerated().map { depth, word in
        String(repeating: "  ", count: depth) + "\(word):"
    }
    return lines.joined(separator: "\n") + " \(value)\n"
}
