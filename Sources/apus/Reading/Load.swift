import Configuration
import Synchronization

/// The sources of the configuration. Later ones win: file, environment, overrides.
struct Sources: Sendable {
    var file: String?
    /// All environment variables. Those that don't begin with `APUS_`, and empty ones, are ignored.
    var environment: [String: String] = [:]
    /// The values from the command line. The last one for a key wins.
    var overrides: [Override] = []
}

/// One value from the command line.
struct Override: Sendable, Equatable {
    /// The option that gave the value, as errors name it: `--set` or `--port`.
    let option: String
    let key: String
    let text: String
}

/// A valid configuration.
struct Loaded: Sendable {
    let settings: Settings
    let draft: SettingsDraft
    /// The place where each key with a value other than the default was written.
    let origins: [String: Origin]
    /// The warnings, which stop nothing; each is one line.
    let warnings: [Fault]
}

/// Reads, validates and merges `sources`.
///
/// - Throws: All errors together: of the sources, their keys, the values in effect, and keys that
///   contradict each other.
func load(_ sources: Sources) throws(ConfigurationFaults) -> Loaded {
    var layers = Layers(sources)
    var draft = SettingsDraft()
    var origins: [String: Origin] = [:]
    var rejected: Set<String> = []
    for key in Schema.keys {
        guard let (text, origin) = layers.value(of: key) else { continue }
        do {
            try key.set(text, in: &draft)
            origins[key.name] = origin
        } catch {
            layers.faults.append(Fault(origin, key: key, text: text, error))
            rejected.insert(key.name)
        }
    }
    for check in CrossCheck.all where rejected.isDisjoint(with: [check.key, check.other]) {
        if let fault = check.fault(in: draft, origins: origins) { layers.faults.append(fault) }
    }
    guard layers.faults.isEmpty else { throw ConfigurationFaults(faults: layers.faults) }
    return Loaded(
        settings: Settings(draft), draft: draft, origins: origins,
        warnings: layers.environment.warnings(draft, origins: origins))
}

extension EnvironmentReading {
    /// Returns warnings about unknown variables, and about variables that are ignored although
    /// their keys have values from other sources.
    fileprivate func warnings(_ draft: SettingsDraft, origins: [String: Origin]) -> [Fault] {
        unknown
            + Schema.keys.compactMap { key in
                let value = key.value(in: draft)
                guard let reason = ignored[key.name], !value.isEmpty else { return nil }
                let place: String
                switch origins[key.name] {
                // The command line wins over the environment anyway.
                case .option: return nil
                case let origin?: place = "from \(origin)"
                case nil: place = "its default"
                }
                return Fault(
                    key.environmentVariable,
                    "ignored, as it is \(reason): \(key.name) is \(key.shown(value)), \(place)")
            }
    }
}

/// The three sources behind one reader, with the places of their values.
private struct Layers {
    /// The errors of the sources themselves, and unknown keys.
    var faults: [Fault] = []
    let environment: EnvironmentReading

    private let file: ConfigurationFile?
    private var overrides: [String: Override] = [:]
    private let reader: ConfigReader
    private let answers = AnswerRecorder()

    init(_ sources: Sources) {
        file = sources.file.map { ConfigurationFile(path: $0) }
        if let file { faults += file.faults }
        environment = EnvironmentReading(sources.environment)
        for override in sources.overrides {
            if Schema.key(named: override.key) != nil {
                overrides[override.key] = override
            } else {
                faults.append(Fault(.option(override.option), unknownKey: override.key))
            }
        }
        let commandLine = overrides.mapValues(\.text)
        let fileTexts = file?.entries.mapValues(\.text) ?? [:]
        reader = ConfigReader(
            providers: [
                InMemoryProvider(name: "command line", values: configurationValues(commandLine)),
                EnvironmentVariablesProvider(
                    environmentVariables: environment.variables,
                    secretsSpecifier: .dynamic { name, _ in
                        Schema.keys.contains { $0.environmentVariable == name && $0.isSecret }
                    }
                ).prefixKeys(with: "apus"),
                InMemoryProvider(name: "file", values: configurationValues(fileTexts)),
            ],
            accessReporter: answers)
    }

    /// Returns the text of the last source that has `key`, and its place there.
    func value(of key: Key) -> (text: String, origin: Origin)? {
        guard let text = reader.string(forKey: ConfigKey(key.name), isSecret: key.isSecret)
        else { return nil }
        let origin: Origin
        switch answers.provider {
        case 0: origin = .option(overrides[key.name]?.option ?? "--set")
        case 1: origin = .environment(variable: key.environmentVariable)
        default:
            origin = .file(path: file?.path ?? "", line: file?.entries[key.name]?.line ?? 1)
        }
        return (text, origin)
    }
}

/// A recorder of the provider that answered last, counted from the first one asked.
private final class AnswerRecorder: AccessReporter {
    private let index = Mutex(0)

    var provider: Int { index.withLock { $0 } }

    func report(_ event: AccessEvent) {
        // The search stops at the first provider that has the key.
        index.withLock { $0 = event.providerResults.count - 1 }
    }
}

private func configurationValues(_ texts: [String: String]) -> [AbsoluteConfigKey: ConfigValue] {
    var values: [AbsoluteConfigKey: ConfigValue] = [:]
    for (name, text) in texts {
        let isSecret = Schema.key(named: name)?.isSecret ?? false
        values[AbsoluteConfigKey(ConfigKey(name))] = ConfigValue(.string(text), isSecret: isSecret)
    }
    return values
}

extension CrossCheck {
    /// Returns the error if the rule is broken, with the place of the key that was set.
    fileprivate func fault(in draft: SettingsDraft, origins: [String: Origin]) -> Fault? {
        guard !holds(draft), let subject = Schema.key(named: key),
            let object = Schema.key(named: other)
        else { return nil }
        func describe(_ key: Key, default remark: String) -> String {
            key.shown(key.value(in: draft)) + (origins[key.name] == nil ? remark : "")
        }
        let place = (origins[key] ?? origins[other]).map { "\($0): \(key)" } ?? key
        return Fault(
            place,
            describe(subject, default: ", its default,")
                + " must be \(relation) \(other) (\(describe(object, default: ", its default")))")
    }
}
