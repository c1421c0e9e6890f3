public import Glibc
import Synchronization

/// A program that a test starts, and its output.
///
/// It doesn't use Foundation's `Process`. With more than about 1,350 open descriptors, which may
/// happen while all tests run, the implementation of Swift 6.3 reads beyond a directory's buffer
/// when it looks for descriptors to close, and crashes (swift-corelibs-foundation, issue 5472).
public final class ChildProcess: Sendable {
    public struct Failure: Error, CustomStringConvertible { public let description: String }

    public let id: pid_t
    private let output: Int32
    private let errors: Int32

    /// The lock that is held from the creation of a pipe until it is marked as not inherited. A
    /// program that starts in between would keep the pipe open.
    private static let starting = Mutex(())

    /// Starts a program, which inherits the standard input.
    ///
    /// - Parameter environment: The complete environment; `nil` means that of this process.
    public init(
        _ program: String, _ arguments: [String], environment: [String: String]? = nil
    ) throws {
        let ((output, outputEnd), (errors, errorsEnd)) = try Self.starting.withLock { _ in
            (try Self.makePipe(), try Self.makePipe())
        }
        defer {
            Glibc.close(outputEnd)
            Glibc.close(errorsEnd)
        }
        let words = unsafe Self.strings([program] + arguments)
        let variables = unsafe environment.map { variables in
            unsafe Self.strings(variables.map { "\($0.key)=\($0.value)" })
        }
        defer {
            unsafe Self.free(words)
            unsafe variables.map { unsafe Self.free($0) }
        }
        var actions = unsafe posix_spawn_file_actions_t()
        unsafe posix_spawn_file_actions_init(&actions)
        defer { unsafe posix_spawn_file_actions_destroy(&actions) }
        unsafe posix_spawn_file_actions_adddup2(&actions, outputEnd, 1)
        unsafe posix_spawn_file_actions_adddup2(&actions, errorsEnd, 2)
        var id = pid_t()
        let code = Self.starting.withLock { _ in
            unsafe posix_spawn(&id, program, &actions, nil, words, variables ?? environ)
        }
        guard code == 0 else {
            Glibc.close(output)
            Glibc.close(errors)
            throw Failure(description: "\(program): \(unsafe String(cString: strerror(code)))")
        }
        self.id = id
        self.output = output
        self.errors = errors
    }

    deinit {
        Glibc.close(output)
        Glibc.close(errors)
    }

    public func signal(_ number: Int32) { kill(id, number) }

    /// Waits for the program to end. Returns its exit status, or 128 plus the number of the signal
    /// that ended it.
    @discardableResult
    public func wait() -> Int32 {
        var status: Int32 = 0
        while unsafe waitpid(id, &status, 0) < 0, errno == EINTR {}
        let signal = status & 0x7F
        return signal == 0 ? status >> 8 & 0xFF : 128 + signal
    }

    /// Returns the complete standard output, then the complete standard error, which must fit into
    /// a pipe (64 KiB).
    public func readAll() -> (output: String, errors: String) {
        (Self.readAll(output), Self.readAll(errors))
    }

    /// Passes each line of the standard output to `body` until its end. It blocks, so call it on a
    /// separate thread.
    public func readLines(_ body: (String) -> Void) {
        var rest: [UInt8] = []
        while let more = Self.read(output) {
            rest += more
            while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
                body(String(decoding: rest[..<end], as: UTF8.self))
                rest.removeFirst(end + 1)
            }
        }
    }

    private static func readAll(_ descriptor: Int32) -> String {
        var all: [UInt8] = []
        while let more = read(descriptor) { all += more }
        return String(decoding: all, as: UTF8.self)
    }

    /// Returns the next bytes, or `nil` at the end.
    private static func read(_ descriptor: Int32) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: 4_096)
        var count: Int
        repeat {
            count = unsafe Glibc.read(descriptor, &bytes, bytes.count)
        } while count < 0 && errno == EINTR
        bytes.removeLast(bytes.count - max(count, 0))
        return bytes.isEmpty ? nil : bytes
    }

    private static func makePipe() throws -> (Int32, Int32) {
        var ends: [Int32] = [0, 0]
        guard unsafe pipe(&ends) == 0 else {
            throw Failure(description: "pipe: \(unsafe String(cString: strerror(errno)))")
        }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        return (ends[0], ends[1])
    }

    /// Strings for C, with the null pointer that ends them.
    private static func strings(
        _ strings: [String]
    ) -> UnsafeMutablePointer<UnsafeMutablePointer<CChar>?> {
        let list = UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>.allocate(
            capacity: strings.count + 1)
        for (index, string) in strings.enumerated() {
            unsafe (list + index).initialize(to: strdup(string))
        }
        unsafe (list + strings.count).initialize(to: nil)
        return unsafe list
    }

    private static func free(_ list: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) {
        var next = unsafe list
        while let string = unsafe next.pointee {
            unsafe Glibc.free(string)
            unsafe next += 1
        }
        unsafe list.deallocate()
    }
}
