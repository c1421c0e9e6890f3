import Dispatch
import Foundation
import Testing
import LiveTesting

@testable import apus

/// A pipe that is only read when a test reads it.
private final class Pipe: Sendable {
    let readEnd: Int32
    let writeEnd: Int32

    init() {
        var ends: [Int32] = [0, 0]
        precondition(pipe(&ends) == 0)
        (readEnd, writeEnd) = (ends[0], ends[1])
    }

    deinit { close(writeEnd) }

    /// Fills the pipe, so that the next write blocks. Returns the number of bytes.
    func fill() -> Int {
        let flags = fcntl(writeEnd, F_GETFL)
        _ = fcntl(writeEnd, F_SETFL, flags | O_NONBLOCK)
        defer { _ = fcntl(writeEnd, F_SETFL, flags) }
        let bytes = [UInt8](repeating: UInt8(ascii: "-"), count: 4_096)
        var count = 0
        while true {
            let written = write(writeEnd, bytes, bytes.count)
            if written < 0 { return count }
            count += written
        }
    }

    /// Reads this many bytes, and waits for them.
    func read(_ count: Int) -> [UInt8] {
        var all: [UInt8] = []
        var bytes = [UInt8](repeating: 0, count: 65_536)
        while all.count < count {
            let found = Foundation.read(readEnd, &bytes, min(bytes.count, count - all.count))
            guard found > 0 else { break }
            all += bytes[..<found]
        }
        return all
    }

    /// Reads lines until one fits. Returns all of them.
    func lines(until isLast: (String) -> Bool) -> [String] {
        var lines: [String] = []
        var line: [UInt8] = []
        while let byte = read(1).first {
            guard byte == UInt8(ascii: "\n") else {
                line.append(byte)
                continue
            }
            lines.append(String(decoding: line, as: UTF8.self))
            line = []
            if isLast(lines.last!) { break }
        }
        return lines
    }
}

private func line(_ text: String) -> [UInt8] { Array((text + "\n").utf8) }

@Suite("Lines written by a separate thread")
struct LineWriterTests {
    private func writer(_ pipe: Pipe, queueSizeMax: Int = 1 << 20) -> LineWriter {
        LineWriter(descriptor: pipe.writeEnd, queueSizeMax: queueSizeMax) { line("dropped \($0)") }
    }

    @Test("Lines of many threads arrive complete, those of each thread in their order")
    func manyThreads() async throws {
        let pipe = Pipe()
        defer { close(pipe.readEnd) }
        let writer = writer(pipe)
        let (threads, count) = (8, 20)
        let written = Task.detached {
            DispatchQueue.concurrentPerform(iterations: threads) { thread in
                for number in 0..<count {
                    // More than a pipe accepts at once.
                    writer.write(
                        line("\(thread) \(number) " + String(repeating: "x", count: 5_000)))
                    // Large enough to drop nothing.
                    if number % 4 == 0 { writer.flush(within: .seconds(60)) }
                }
            }
            return writer.finish(within: .seconds(60))
        }
        var left = threads * count
        let lines = pipe.lines { _ in
            left -= 1
            return left == 0
        }
        #expect(await written.value)
        var next = [Int](repeating: 0, count: threads)
        for text in lines {
            let words = text.split(separator: " ")
            try #require(words.count == 3 && words[2].utf8.count == 5_000)
            let thread = try #require(Int(words[0]))
            #expect(Int(words[1]) == next[thread])
            next[thread] += 1
        }
        #expect(next == Array(repeating: count, count: threads))
    }

    @Test("Lines that don't fit while nobody reads are dropped, counted and reported")
    func stalledReader() {
        let pipe = Pipe()
        defer { close(pipe.readEnd) }
        let filled = pipe.fill()
        let writer = writer(pipe, queueSizeMax: 1_000)
        writer.write(line("first"))
        #expect(!writer.flush(within: .milliseconds(1)))
        // The writer takes the first line before these, or together with some of them. Each line
        // has ten bytes.
        for number in 1_000..<2_000 { writer.write(line("line \(number)")) }
        _ = pipe.read(filled)
        #expect(writer.flush(within: .seconds(60)))
        writer.write(line("last"))
        let lines = pipe.lines { $0 == "last" }
        #expect(lines.first == "first" && lines.last == "last")
        var (next, kept) = (1_000, 0)
        for text in lines.dropFirst().dropLast() {
            let number = text.split(separator: " ").last.flatMap { Int($0) } ?? 0
            if text.hasPrefix("dropped ") {
                next += number
            } else {
                #expect(text == "line \(next)")
                next += 1
                kept += 1
            }
        }
        #expect(next == 2_000)
        // What the queue holds, and as much again in the batch that is being written.
        #expect(99...200 ~= kept)
        #expect(writer.finish(within: .seconds(60)))
    }

    @Test("A stop doesn't wait longer than its limit, and nothing is written after it")
    func boundedFinish() {
        let pipe = Pipe()
        defer { close(pipe.readEnd) }
        let filled = pipe.fill()
        let writer = writer(pipe)
        writer.write(line("in time"))
        let start = ContinuousClock.now
        #expect(!writer.finish(within: .milliseconds(50)))
        #expect(ContinuousClock.now - start < .seconds(5))
        writer.write(line("too late"))
        _ = pipe.read(filled)
        #expect(pipe.lines { _ in true } == ["in time"])
        #expect(writer.flush(within: .seconds(60)))
        #expect(fcntl(pipe.readEnd, F_SETFL, O_NONBLOCK) == 0)
        #expect(pipe.read(1) == [])
    }

    @Test("Lines are dropped while there is no reader, and the next reader gets a report")
    func vanishedReader() async {
        // A signal is ignored by the whole process, as in the program.
        await #expect(processExitsWith: .success) {
            ignoreVanishedReaders()
            let path = NSTemporaryDirectory() + "/apus-lines-\(UUID().uuidString)"
            precondition(mkfifo(path, 0o600) == 0)
            defer { unlink(path) }
            let first = open(path, O_RDONLY | O_NONBLOCK)
            let descriptor = open(path, O_WRONLY)
            let writer = LineWriter(descriptor: descriptor) { line("dropped \($0)") }
            writer.write(line("read"))
            precondition(writer.flush(within: .seconds(60)))
            var bytes = [UInt8](repeating: 0, count: 1_000)
            precondition(read(first, &bytes, bytes.count) == 5)
            close(first)
            for number in 1...3 {
                writer.write(line("missed \(number)"))
                precondition(writer.flush(within: .seconds(60)))
            }
            let second = open(path, O_RDONLY | O_NONBLOCK)
            writer.write(line("read again"))
            precondition(writer.finish(within: .seconds(60)))
            let count = read(second, &bytes, bytes.count)
            let text = String(decoding: bytes[..<max(0, count)], as: UTF8.self)
            precondition(text == "dropped 3\nread again\n", text)
        }
    }

    @Test("A pipe that another process has made non-blocking is waited for")
    func nonBlocking() {
        let pipe = Pipe()
        defer { close(pipe.readEnd) }
        let filled = pipe.fill()
        _ = fcntl(pipe.writeEnd, F_SETFL, fcntl(pipe.writeEnd, F_GETFL) | O_NONBLOCK)
        let writer = writer(pipe)
        let long = String(repeating: "x", count: 200_000)
        writer.write(line(long))
        #expect(!writer.flush(within: .milliseconds(1)))
        _ = pipe.read(filled)
        #expect(pipe.lines { _ in true } == [long])
        #expect(writer.finish(within: .seconds(60)))
    }

    @Test("A line that an error has truncated is ended before the next one")
    func cutOff() async {
        await #expect(processExitsWith: .success) {
            signal(SIGXFSZ, SIG_IGN)
            let path = NSTemporaryDirectory() + "/apus-lines-\(UUID().uuidString)"
            let descriptor = open(path, O_WRONLY | O_CREAT, 0o600)
            defer { unlink(path) }
            var limit = rlimit()
            getrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
            limit.rlim_cur = 10
            setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
            let writer = LineWriter(descriptor: descriptor) { line("dropped \($0)") }
            writer.write(line("1234567") + line("89 is cut"))
            precondition(writer.flush(within: .seconds(60)))
            limit.rlim_cur = limit.rlim_max
            setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
            writer.write(line("next"))
            precondition(writer.finish(within: .seconds(60)))
            let text = try! String(contentsOfFile: path, encoding: .utf8)
            precondition(text == "1234567\n89\ndropped 1\nnext\n", text)
        }
    }

    @Test("Files and sockets don't get the numbers of standard streams that the parent has closed")
    func closedStreams() async {
        await #expect(processExitsWith: .success) {
            close(STDIN_FILENO)
            close(STDERR_FILENO)
            openStandardStreams()
            let next = open("/dev/null", O_RDONLY)
            precondition(next > STDERR_FILENO)
        }
    }
}
