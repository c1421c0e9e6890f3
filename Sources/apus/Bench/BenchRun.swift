import ArgumentParser
import Dispatch
import Foundation
import LoadGenerator

/// Runs a load and prints its report. A load without meaningful figures prints none: the reason
/// goes to standard error, and the exit status is 1, as it is after any error.
func bench(_ plan: LoadPlan, _ options: LoadOptions) async throws {
    let progress = ProgressLine(always: options.progress)
    let result: Result<LoadReport, LoadFailure>
    do {
        let report = try await interruptible {
            try await LoadRun(plan) { progress.show($0) }.run()
        }
        result = report.failure.map { .failure($0) } ?? .success(report)
    } catch is CancellationError {
        result = .failure(
            LoadFailure(
                "interrupted: nothing was measured",
                advice: "Measuring begins once all connections are open."))
    } catch {
        result = .failure(LoadFailure(error))
    }
    progress.clear()
    let report: LoadReport
    do {
        report = try result.get()
    } catch {
        let url = plan.shownURL
        throw try fail(
            error, command: "bench", json: options.json, scenario: plan.scenario.rawValue, url: url)
    }
    if options.json {
        print(try json(report.summary))
    } else {
        print(options.markdown ? report.markdown : report.text, terminator: "")
    }
    if report.tally.errors > 0 { throw ExitCode(1) }
}

/// The output of `--json` for a load without figures.
private struct FailureSummary: Encodable {
    let error: String
    let advice: String
    let scenario: String
    let url: String?
}

/// Reports why there are no figures, with `--json` also as JSON. The caller throws the result.
func fail(
    _ failure: LoadFailure, command: String, json isJSON: Bool, scenario: String, url: String?
) throws -> ExitCode {
    writeToStandardError("apus \(command): \(failure.problem).\n  \(failure.advice)\n")
    if isJSON {
        print(
            try json(
                FailureSummary(
                    error: failure.problem, advice: failure.advice, scenario: scenario, url: url)))
    }
    return ExitCode(1)
}

/// Encodes JSON for programs, with keys such as `messages_per_second` in a fixed order.
func json(_ value: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(value), as: UTF8.self)
}

/// Runs an operation that Ctrl-C (SIGINT) or SIGTERM cancels, so that it can report its results so
/// far.
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

/// The progress on standard error: one line that is overwritten on a terminal, separate lines
/// elsewhere.
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
        writeToStandardError(isTerminal ? "\r\u{1B}[K\(text)" : text + "\n")
    }

    /// Removes the line.
    func clear() {
        if isShown, isTerminal { writeToStandardError("\r\u{1B}[K") }
    }

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
