import ArgumentParser
import Dispatch
import Foundation
import LoadGenerator

/// Runs a load and prints its report; exit status 1 if there were faults, or nothing was measured.
func bench(_ plan: LoadPlan, _ options: LoadOptions) async throws {
    let progress = ProgressLine(always: options.progress)
    let report: LoadReport
    do {
        report = try await interruptible {
            try await LoadRun(plan) { progress.show($0) }.run()
        }
    } catch is CancellationError {
        progress.clear()
        FileHandle.standardError.write(Data("apus bench: interrupted\n".utf8))
        throw ExitCode(1)
    } catch {
        progress.clear()
        FileHandle.standardError.write(Data("apus bench: \(error)\n".utf8))
        throw ExitCode(1)
    }
    progress.clear()
    if options.json {
        print(try json(report.summary))
    } else {
        print(options.markdown ? report.markdown : report.text, terminator: "")
    }
    if report.tally.errors > 0 || !report.hasMeasured { throw ExitCode(1) }
}

/// JSON for programs: keys as in `messages_per_second`, always in one order.
func json(_ value: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(value), as: UTF8.self)
}

/// Runs something that Ctrl-C (SIGINT) or SIGTERM cancels, so that it can say what there is.
func interruptible<T: Sendable>(
    _ body: @escaping @Sendable () async throws -> T
) async throws -> T {
    let task = Task { try await body() }
    let sources = [SIGINT, SIGTERM].map { number in
        signal(number, SIG_IGN)
        let source = DispatchSource.makeSignalSource(signal: number)
        source.setEventHandler { task.cancel() }
        source.resume()
        return source
    }
    defer { for source in sources { source.cancel() } }
    return try await task.value
}

/// Progress on standard error: one line that is written over on a terminal, lines elsewhere.
final class ProgressLine: Sendable {
    private let isTerminal: Bool
    private let isShown: Bool

    init(always: Bool) {
        isTerminal = isatty(STDERR_FILENO) == 1
        isShown = always || isTerminal
    }

    func show(_ progress: LoadProgress) { show(Self.text(progress)) }

    func show(_ text: String) {
        guard isShown else { return }
        write(isTerminal ? "\r\u{1B}[K\(text)" : text + "\n")
    }

    /// Takes the line away.
    func clear() {
        if isShown, isTerminal { write("\r\u{1B}[K") }
    }

    private func write(_ text: String) { FileHandle.standardError.write(Data(text.utf8)) }

    private static func text(_ progress: LoadProgress) -> String {
        let count = "\(Figures.grouped(progress.count)) of \(Figures.grouped(progress.total))"
        switch progress.phase {
        case .opening: return "\(count) connections open"
        case .replies: return "\(count) first messages answered"
        case .warmup, .measuring:
            let phase = progress.phase == .warmup ? "warming up" : "measuring"
            let time =
                "\(Figures.number(progress.seconds)) of \(Figures.number(progress.duration)) s"
            return "\(phase) \(time), \(Figures.number(progress.rate))/s"
        }
    }
}
