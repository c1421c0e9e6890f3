import HTTPProtocol
import UVTransport
import Synchronization

/// The content of a response about a file: pieces of the file, and texts between them.
struct FileContent: Sendable {
    enum Piece: Sendable {
        case bytes([UInt8])
        case file(Range<Int>)

        var count: Int {
            switch self {
            case .bytes(let bytes): bytes.count
            case .file(let range): range.count
            }
        }
    }

    let file: FolderFile
    let pieces: [Piece]

    var count: Int { pieces.reduce(0) { $0 + $1.count } }

    /// The most bytes that are read, and kept in memory, at once.
    static let partSizeMax = 64 << 10

    /// Returns a content of one range, or the `multipart/byteranges` of several (RFC 9110 §14.6).
    init(_ file: FolderFile, parts: [Range<Int>], type: String, boundary: String) {
        self.file = file
        guard parts.count > 1 else {
            pieces = parts.map(Piece.file)
            return
        }
        let size = file.version.size
        pieces =
            parts.flatMap { range in
                let head =
                    "\r\n--\(boundary)\r\nContent-Type: \(type)\r\nContent-Range: "
                    + "\(Self.contentRange(range, of: size))\r\n\r\n"
                return [Piece.bytes(Array(head.utf8)), .file(range)]
            } + [.bytes(Array("\r\n--\(boundary)--\r\n".utf8))]
    }

    static func contentRange(_ range: Range<Int>, of size: Int) -> String {
        "bytes \(range.lowerBound)-\(range.upperBound - 1)/\(size)"
    }

    /// Reads everything; blocks.
    func read() throws -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count)
        for piece in pieces {
            switch piece {
            case .bytes(let text): bytes += text
            case .file(let range): bytes += try file.read(range)
            }
        }
        return bytes
    }

    /// Returns a source that reads one part after the other, on a thread for blocking calls.
    func stream() -> Response.Stream {
        let rest = RestOfFile(self)
        return { try await rest.next() }
    }
}

/// The rest of a content that is being sent.
private final class RestOfFile: Sendable {
    private let file: FolderFile
    private let pieces: Mutex<ArraySlice<FileContent.Piece>>

    init(_ content: FileContent) {
        file = content.file
        pieces = Mutex(content.pieces[...])
    }

    func next() async throws -> [UInt8]? {
        let piece = pieces.withLock { pieces -> FileContent.Piece? in
            guard let piece = pieces.popFirst() else { return nil }
            guard case .file(let range) = piece, range.count > FileContent.partSizeMax else {
                return piece
            }
            let middle = range.lowerBound + FileContent.partSizeMax
            pieces = [.file(middle..<range.upperBound)] + pieces
            return .file(range.lowerBound..<middle)
        }
        switch piece {
        case nil: return nil
        case .bytes(let bytes): return bytes
        case .file(let range):
            return try await BlockingWorkers.shared.run { [file] in try file.read(range) }
        }
    }
}
