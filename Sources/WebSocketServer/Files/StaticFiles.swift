import Glibc
import HTTPProtocol
import HTTPTypes
import UVTransport

/// A folder whose files are served over HTTP: with media types, entity tags, conditions and ranges.
///
/// Usually ``Router/files(_:from:configure:)`` makes one. Only regular files within the folder are
/// served: `..`, symbolic links that lead out, devices and FIFOs are answered 404. Files are read on
/// threads of their own, a part at a time, as fast as the client receives them.
public struct StaticFiles: Sendable {
    /// The absolute path of the folder. It is opened for each request, so that it may be replaced.
    public let folder: String
    /// The file that stands for a folder, if it has one; `nil` for none. Folders aren't listed.
    /// Default `index.html`.
    public var index: String? = "index.html"
    /// Whether files and folders whose names begin with a dot are served. Default false.
    public var servesHiddenFiles = false
    /// The value of `Cache-Control`. Default `nil`: clients may cache by `Last-Modified`.
    public var cacheControl: String?
    /// Whether symbolic links within the folder are followed.
    var resolvesLinks = true

    /// The files up to this size are sent at once; larger ones are read while they are sent.
    private static let wholeSizeMax = FileContent.partSizeMax

    /// Creates the files of a folder.
    ///
    /// - Parameter folder: The path; a relative one begins in the current directory.
    /// - Throws: ``StaticFilesError`` if there is no such folder.
    public init(folder: String) throws(StaticFilesError) {
        var path = folder
        if !path.utf8.starts(with: "/".utf8) {
            guard let current = unsafe getcwd(nil, 0) else { throw StaticFilesError(folder) }
            path = unsafe "\(String(cString: current))/\(folder)"
            unsafe free(current)
        }
        guard folderExists(at: path) else { throw StaticFilesError(path) }
        self.folder = path
    }

    /// Returns the response to a GET or HEAD request for a file.
    ///
    /// - Parameter path: The decoded segments of the path below the folder. An empty last segment
    ///   asks for the index of a folder.
    /// - Throws: A ``Problem``: 404 if there is no such file, 412, 416, or 503.
    public func respond(to request: Request, path: [ExactString]) async throws -> Response {
        guard let name = name(of: path) else { throw Self.notFound }
        return try await BlockingWorkers.shared.run { try respond(to: request, for: name) }
    }

    private static var notFound: Problem { Problem(.notFound, "There is no such file.") }

    private static var busy: Problem {
        Problem(
            .serviceUnavailable, "The file can't be read now. Try again later.",
            headerFields: [.retryAfter: "1"])
    }

    /// Returns the path of a file or folder below the folder, with a slash at the end if the request
    /// asks for an index; `nil` if it may not be served.
    private func name(of path: [ExactString]) -> String? {
        for (position, segment) in path.enumerated() {
            let bytes = segment.utf8
            if bytes.isEmpty {
                guard position == path.count - 1 else { return nil }
                continue
            }
            // A backslash is no separator here, but may be one for a proxy in front.
            guard bytes.allSatisfy({ $0 != 0x2F && $0 != 0x5C && $0 != 0 }), segment != ".",
                segment != "..", servesHiddenFiles || bytes.first != UInt8(ascii: ".")
            else { return nil }
        }
        return path.joined(separator: "/")
    }

    /// Opens a file and responds; blocks.
    private func respond(to request: Request, for name: String) throws -> Response {
        // A file that changes while it is read is read again.
        for _ in 0..<3 {
            do {
                return try respond(to: request, with: find(name, for: request))
            } catch is FolderFile.Changed {
                continue
            } catch let error as TransportError where error.isShortage {
                throw Self.busy
            }
        }
        throw Self.busy
    }

    private enum Found {
        case file(FolderFile, name: String)
        case redirect(to: String)
    }

    private func find(_ name: String, for request: Request) throws -> Found {
        let isFolder = name.isEmpty || name.utf8.last == UInt8(ascii: "/")
        if !isFolder {
            switch try open(name) {
            case .file(let file): return .file(file, name: name)
            case .nothing: throw Self.notFound
            case .folder: break
            }
        }
        let folder = isFolder ? name : name + "/"
        guard let index, case .file(let file) = try open(folder + index) else {
            throw Self.notFound
        }
        if isFolder { return .file(file, name: index) }
        // Without the slash, relative links of the page would lead elsewhere.
        return .redirect(to: Self.withSlash(request.head.path ?? ""))
    }

    private func open(_ name: String) throws(TransportError) -> FolderFile.Opened {
        try FolderFile.open(name, below: folder, resolvesLinks: resolvesLinks)
    }

    /// Returns the relative reference from a path to the same path with a slash. It begins with a
    /// dot, so that no segment is taken for a scheme or a host (RFC 3986 §4.2).
    private static func withSlash(_ target: String) -> String {
        let path = target.utf8.prefix { $0 != UInt8(ascii: "?") }
        let query = target.utf8[path.endIndex...]
        let start = path.lastIndex(of: UInt8(ascii: "/")).map(path.index(after:))
        return "./\(Substring(path[(start ?? path.startIndex)...]))/\(Substring(query))"
    }

    private func respond(to request: Request, with found: Found) throws -> Response {
        switch found {
        case .redirect(let location):
            return Response(status: .movedPermanently, headerFields: [.location: location])
        case .file(let file, let name):
            let version = file.version
            let conditions = FileConditions(
                size: version.size, seconds: version.seconds, nanoseconds: version.nanoseconds,
                now: time(nil))
            let type = FileMediaTypes.type(ofFileNamed: name)
            return try respond(to: request, with: file, type, conditions)
        }
    }

    private func respond(
        to request: Request, with file: FolderFile, _ type: String, _ conditions: FileConditions
    ) throws -> Response {
        let requested = request.head.headerFields
        var fields: HTTPFields = [.eTag: conditions.tag]
        if let modified = conditions.modified {
            fields[.lastModified] = HTTPDate.text(secondsSince1970: modified)
        }
        if let cacheControl { fields[.cacheControl] = cacheControl }
        switch conditions.evaluate(requested) {
        case .proceed: break
        case .notModified: return Response(status: .notModified, headerFields: fields)
        case .preconditionFailed:
            throw Problem(.preconditionFailed, "The file has another version.")
        }
        fields[.acceptRanges] = "bytes"
        // The type is known, so browsers shouldn't guess another one.
        fields[.xContentTypeOptions] = "nosniff"
        let size = file.version.size
        // RFC 9110 §14.2: Range is for GET only.
        let isGET = request.head.method == .get
        let hasRange = isGET && conditions.allowsRange(requested)
        var parts = [0..<size]
        var status = HTTPResponse.Status.ok
        switch ByteRanges(hasRange ? requested[exact: .range] : nil, size: size) {
        case .whole: break
        case .parts(let ranges): (parts, status) = (ranges, .partialContent)
        case .unsatisfiable:
            throw Problem(
                .rangeNotSatisfiable, "The file has \(size) bytes.",
                headerFields: [.contentRange: "bytes */\(size)"])
        }
        fields[.contentType] = type
        let boundary = Self.boundary()
        if parts.count > 1 {
            fields[.contentType] = "multipart/byteranges; boundary=\(boundary)"
        } else if status == .partialContent {
            fields[.contentRange] = FileContent.contentRange(parts[0], of: size)
        }
        let content = FileContent(file, parts: parts, type: type, boundary: boundary)
        if isGET, content.count <= Self.wholeSizeMax {
            return Response(status: status, headerFields: fields, body: try content.read())
        }
        return Response(
            status: status, headerFields: fields, contentLength: content.count,
            stream: content.stream())
    }

    /// Returns a text that no file contains, but by a chance of one in 2^128.
    private static func boundary() -> String {
        var generator = SystemRandomNumberGenerator()
        return "apus" + String(generator.next(), radix: 16) + String(generator.next(), radix: 16)
    }
}

/// The error of a folder that doesn't exist, or isn't a folder.
public struct StaticFilesError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The path.
    public let path: String

    init(_ path: String) { self.path = path }

    public var description: String {
        "There is no folder at \(path). Create it, or serve files from another one."
    }
}
