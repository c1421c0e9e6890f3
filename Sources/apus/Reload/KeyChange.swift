/// One key whose value a reload has found changed.
struct KeyChange: Sendable, Equatable, Encodable {
    let key: String
    /// The value in effect before, and the one that was read, as they may be printed.
    let from: String
    let to: String
    let effect: Effect

    /// Compares the values in effect with those that were read.
    ///
    /// - Returns: The changed keys, and the values in effect from now on: those that were read,
    ///   except for the ones that need a restart.
    static func find(
        from current: SettingsDraft, to read: SettingsDraft
    ) -> (changes: [KeyChange], effective: SettingsDraft) {
        var effective = read
        var changes: [KeyChange] = []
        // Connections either begin with TLS or don't, as the announced URL says.
        let startsOrStopsTLS =
            (current.tls.certificate == nil) != (read.tls.certificate == nil)
        for key in Schema.keys where !key.isEqual(in: current, read) {
            let isFixed = startsOrStopsTLS && key.name.hasPrefix("tls.")
            let effect = isFixed ? .restart : key.effect
            if effect == .restart { key.copy(from: current, to: &effective) }
            changes.append(
                KeyChange(
                    key: key.name, from: key.shown(key.value(in: current)),
                    to: key.shown(key.value(in: read)), effect: effect))
        }
        return (changes, effective)
    }
}

/// The result of a reload.
struct ReloadReport: Sendable, Encodable {
    /// The changed keys, in the order of the file.
    var changes: [KeyChange] = []
    /// The errors, each as one line. If there is any, nothing has changed.
    var errors: [String] = []

    var isSuccess: Bool { errors.isEmpty }
}
