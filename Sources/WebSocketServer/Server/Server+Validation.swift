extension ServerConfiguration {
    /// Checks all settings, and those of the routes that adjust them. Throws all errors together.
    func validate(with router: Router) throws(ConfigurationErrors) {
        var found = validationErrors
        for (path, _, adjust) in router.adjustedPaths {
            // An error of the server's own settings is reported once.
            for var error in errors(adjustedBy: adjust) where !found.contains(error) {
                error.route = path
                found.append(error)
            }
        }
        if !found.isEmpty { throw ConfigurationErrors(found) }
    }
}
