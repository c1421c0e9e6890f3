import Glibc

/// Opens those standard streams that the parent has closed. Otherwise the next file or socket would
/// get their numbers, and then the log. Call it before anything is opened.
func openStandardStreams() {
    for descriptor in STDIN_FILENO...STDERR_FILENO where fcntl(descriptor, F_GETFD) < 0 {
        // The lowest number that is free: this one.
        _ = open("/dev/null", O_RDWR)
    }
}

/// Lets the process go on when a reader of its output goes away. Otherwise that would end it, and
/// no client would get a Close.
func ignoreVanishedReaders() { signal(SIGPIPE, SIG_IGN) }

/// Writes `bytes` and waits where need be; returns how many were written before an error, of which
/// there is none if it is all.
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
            // Whoever shares the stream has made it non-blocking.
            var wanted = pollfd(descriptor: descriptor, events: POLLOUT)
            poll(&wanted, 1, -1)
        } else if errno != EINTR {
            break
        }
    }
    return written
}

/// Writes to standard error what a command has to say before it serves, or instead. What can't be
/// written is lost.
func writeToStandardError(_ text: String) {
    writeBlocking(Array(text.utf8), to: STDERR_FILENO)
}

extension pollfd {
    fileprivate init(descriptor: Int32, events: Int32) {
        self.init(fd: descriptor, events: Int16(events), revents: 0)
    }
}
