/// One invalid setting.
public struct ConfigurationError: Sendable, Hashable, CustomStringConvertible {
    /// The setting, as it is written in Swift below a ``ServerConfiguration``:
    /// `limits.messageSizeMax`.
    public let name: String
    /// The invalid value, for people: `0`, `2GiB`.
    public let value: String
    /// The allowed values in words: `1 to 1GiB`.
    public let allowed: String
    /// The path of the route whose `adjusting` closure set the value; `nil` if the server's
    /// configuration has it.
    public var route: String?

    package init(name: String, value: String, allowed: String, route: String? = nil) {
        self.name = name
        self.value = value
        self.allowed = allowed
        self.route = route
    }

    public var description: String {
        let place = route.map { " of the route \($0)" } ?? ""
        return "\(name)\(place) is \(value); allowed: \(allowed)"
    }
}

/// The errors of a configuration, all of them together.
public struct ConfigurationErrors: Error, Sendable, Hashable, CustomStringConvertible {
    /// The errors; at least one.
    public let errors: [ConfigurationError]

    package init(_ errors: [ConfigurationError]) { self.errors = errors }

    /// The errors, one a line.
    public var description: String { errors.map(\.description).joined(separator: "\n") }
}

extension ServerConfiguration {
    /// Checks all settings: whether each is within its range, and whether they agree with each
    /// other. ``Server`` does the same when it is made.
    ///
    /// - Throws: All errors together.
    public func validate() throws(ConfigurationErrors) {
        let errors = validationErrors
        if !errors.isEmpty { throw ConfigurationErrors(errors) }
    }

    /// The errors of all settings; empty if the configuration is valid.
    var validationErrors: [ConfigurationError] {
        var errors = addresses.compactMap(\.error)
        if addresses.isEmpty {
            errors.append(
                ConfigurationError(name: "addresses", value: "empty", allowed: "one or more"))
        }
        if !Drain.closeCodes.contains(drain.closeCode) {
            errors.append(
                ConfigurationError(
                    name: "drain.closeCode", value: "\(drain.closeCode.rawValue)",
                    allowed: Drain.closeCodes.map { "\($0.rawValue)" }.joined(separator: " or ")))
        }
        if let mode = unixSockets.mode, !UnixSocketConfiguration.modes.contains(mode) {
            errors.append(
                ConfigurationError(
                    name: "unixSockets.mode", value: "0o" + String(mode, radix: 8),
                    allowed: "0o0 to 0o777"))
        }
        return errors + rangeErrors
    }

    /// The errors of the settings that have a range. Rules apply only to settings within theirs.
    private var rangeErrors: [ConfigurationError] {
        let errors = RangedSettings.all.compactMap { $0.error(in: self) }
        let rules = RangedSettings.rules.filter { rule in
            !errors.contains { $0.name == rule.name || $0.name == rule.other }
        }
        return errors + rules.compactMap { $0.error(in: self) }
    }

    /// Returns the errors of the settings that a route or a connection has after an adjustment.
    ///
    /// An unchanged ``Limits/frameSizeMax`` may exceed the route's ``Limits/messageSizeMax``.
    func errors(adjustedBy adjust: ConnectionConfiguration.Adjust) -> [ConfigurationError] {
        var options = ConnectionConfiguration(
            limits: limits, heartbeat: heartbeat, compression: compression)
        adjust(&options)
        if options.limits.frameSizeMax == limits.frameSizeMax {
            options.limits.frameSizeMax = options.limits.frameSizeMax.map {
                min($0, options.limits.messageSizeMax)
            }
        }
        var adjusted = self
        (adjusted.limits, adjusted.heartbeat, adjusted.compression) =
            (options.limits, options.heartbeat, options.compression)
        return adjusted.rangeErrors
    }
}

extension ListenAddress {
    package static let ports = 0...65_535
    /// The longest path that fits into `sockaddr_un.sun_path` with its terminating zero.
    package static let pathSizeMax = 107

    fileprivate var error: ConfigurationError? {
        switch self {
        case .hostname(let host, let port):
            if host.isEmpty || host.utf8.contains(0) {
                return ConfigurationError(
                    name: "addresses", value: "a host of \"\(host)\"",
                    allowed: "an address or a host name")
            }
            if Self.ports.contains(port) { return nil }
            return ConfigurationError(
                name: "addresses", value: "\(host) with port \(port)",
                allowed: "ports \(Self.ports.lowerBound) to \(Self.ports.upperBound)")
        case .unix(let path):
            if (1...Self.pathSizeMax).contains(path.utf8.count), !path.utf8.contains(0) {
                return nil
            }
            return ConfigurationError(
                name: "addresses", value: "the path \"\(path)\"",
                allowed: "paths of 1 to \(Self.pathSizeMax) bytes without NUL")
        case .inherited(let descriptor, _):
            if descriptor >= 0 { return nil }
            return ConfigurationError(
                name: "addresses", value: "the descriptor \(descriptor)",
                allowed: "descriptors of 0 and more")
        }
    }
}

extension UnixSocketConfiguration {
    package static let modes = 0...0o777
}

extension Drain {
    package static let closeCodes: [CloseCode] = [.goingAway, .serviceRestart]
}
