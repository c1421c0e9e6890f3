import Glibc

/// Opens the standard streams that the parent has closed. Otherwise the next file or socket would
/// get their numbers, and the log would be written into it. Must be called before anything else is
/// opened.
func openStandardStreams() {
    for descriptor in STDIN_FILENO...STDERR_FILENO where fcntl(descriptor, F_GETFD) < 0 {
        // This is the lowest free number.
        _ = open("/dev/null", O_RDWR)
    }
}

/// Ignores SIGPIPE. Otherwise the process would end when a reader of its output exits, without
/// sending Close frames to its clients.
func ignoreVanishedReaders() { signal(SIGPIPE, SIG_IGN) }

/// Writes `bytes`, and waits if necessary. Returns the number of bytes written, which is lower than
/// their count only after an error.
@discardableResult
func writeBlocking(_ bytes: [UInt8], to descriptor: Int32) -> Int {
    var written = 0
    while written < bytes.count {
        let count = bytes.withUnsafeBytes {
            write(descriptor, $0.baseAddress! + written, $0.count - written)
        }
        if count >= 0 {
            written += count
        } else if errno == EAGAIN {
            // Another process that shares the stream has made it non-blocking.
            var wanted = pollfd(descriptor: descriptor, events: POLLOUT)
            poll(&wanted, 1, -1)
        } else if errno != EINTR {
            break
        }
    }
    return written
}

/// Writes a message of a command to standard error, before it serves or instead. Bytes that can't
/// be written are lost.
func writeToStandardError(_ text: String) {
    writeBlocking(Array(text.utf8), to: STDERR_FILENO)
}

extension pollfd {
    fileprivate init(descriptor: Int32, events: Int32) {
        self.init(fd: descriptor, events: Int16(events), revents: 0)
    }
}
