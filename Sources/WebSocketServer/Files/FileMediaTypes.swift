import HTTPProtocol

/// The media types of files, by the ends of their names.
enum FileMediaTypes {
    /// Returns the value of `Content-Type` for a file.
    static func type(ofFileNamed name: String) -> String {
        let bytes = Array(name.utf8)
        guard let dot = bytes.lastIndex(of: UInt8(ascii: ".")) else { return unknown }
        let end = ExactString(validating: bytes[(dot + 1)...].map(\.lowercased))
        return end.flatMap { all[$0] } ?? unknown
    }

    private static let unknown = "application/octet-stream"

    private static let all: [ExactString: String] = [
        "html": "text/html; charset=utf-8", "htm": "text/html; charset=utf-8",
        "css": "text/css; charset=utf-8", "csv": "text/csv; charset=utf-8",
        "txt": "text/plain; charset=utf-8", "log": "text/plain; charset=utf-8",
        "md": "text/markdown; charset=utf-8", "ics": "text/calendar; charset=utf-8",
        // RFC 9239: the one type of JavaScript.
        "js": "text/javascript; charset=utf-8", "mjs": "text/javascript; charset=utf-8",
        "json": "application/json", "map": "application/json", "jsonld": "application/ld+json",
        "webmanifest": "application/manifest+json", "geojson": "application/geo+json",
        "xml": "application/xml", "xhtml": "application/xhtml+xml", "rss": "application/rss+xml",
        "atom": "application/atom+xml", "yaml": "application/yaml", "yml": "application/yaml",
        "toml": "application/toml", "pdf": "application/pdf", "rtf": "application/rtf",
        "wasm": "application/wasm", "zip": "application/zip", "gz": "application/gzip",
        "tar": "application/x-tar", "7z": "application/x-7z-compressed",
        "zst": "application/zstd", "epub": "application/epub+zip", "bin": unknown,
        "svg": "image/svg+xml", "png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg",
        "gif": "image/gif", "webp": "image/webp", "avif": "image/avif", "bmp": "image/bmp",
        "ico": "image/vnd.microsoft.icon", "tif": "image/tiff", "tiff": "image/tiff",
        "apng": "image/apng", "mp3": "audio/mpeg", "m4a": "audio/mp4", "aac": "audio/aac",
        "ogg": "audio/ogg", "oga": "audio/ogg", "opus": "audio/ogg", "wav": "audio/wav",
        "flac": "audio/flac", "weba": "audio/webm", "mp4": "video/mp4", "m4v": "video/mp4",
        "webm": "video/webm", "ogv": "video/ogg", "mov": "video/quicktime",
        "mkv": "video/matroska", "mpeg": "video/mpeg", "m3u8": "application/vnd.apple.mpegurl",
        "ts": "video/mp2t", "woff": "font/woff", "woff2": "font/woff2", "ttf": "font/ttf",
        "otf": "font/otf",
    ]
}
