extension Router {
    /// Adds a route for the files of a folder: `try router.files("/static", from: "Public")`.
    ///
    /// The path `/static/app.js` then leads to `Public/app.js`, and `/static/` to
    /// `Public/index.html`.
    ///
    /// - Parameters:
    ///   - path: The path of the folder.
    ///   - folder: The folder's path in the file system; a relative one begins in the current
    ///     directory.
    ///   - configure: Changes the settings, such as ``StaticFiles/cacheControl``.
    /// - Throws: ``StaticFilesError`` if there is no such folder.
    public mutating func files(
        _ path: String, from folder: String, configure: (inout StaticFiles) -> Void = { _ in }
    ) throws(StaticFilesError) {
        var files = try StaticFiles(folder: folder)
        configure(&files)
        let served = files
        let prefix = path.utf8.last == UInt8(ascii: "/") ? String(path.dropLast()) : path
        get("\(prefix)/{path...}") { request in
            try await served.respond(to: request, path: request.parameters.rest)
        }
        // The wildcard matches one segment at least, and the path `/` has none.
        if prefix.isEmpty {
            get("/") { request in try await served.respond(to: request, path: [""]) }
        }
    }
}
