/// A runner of a comparison's cases, one after the other, each on a server of its own unless the
/// plan names one. It repeats the whole series, so that other work of the machine affects all cases
/// alike.
package struct Comparison: Sendable {
    package struct Progress: Sendable {
        package var one: CompareCase
        /// The number of the run, out of the total.
        package var number: Int
        package var total: Int
        package var load: LoadProgress?
    }

    private let plan: ComparePlan
    private let onProgress: @Sendable (Progress) -> Void

    package init(_ plan: ComparePlan, onProgress: @escaping @Sendable (Progress) -> Void) {
        self.plan = plan
        self.onProgress = onProgress
    }

    /// Runs all cases. If cancelled, it ends and returns the results so far.
    package func run() async throws -> CompareResult {
        var result = CompareResult(plan)
        let cases = plan.cases
        let total = cases.count * plan.repeats
        for index in 0..<total {
            if Task.isCancelled { break }
            let one = cases[index % cases.count]
            if result.refusals[one.way] != nil { continue }
            onProgress(Progress(one: one, number: index + 1, total: total))
            do {
                let report = try await run(one, number: index + 1, of: total)
                if Task.isCancelled { break }
                if let refusal = one.way.refusal(report.agreement) {
                    result.refusals[one.way] = refusal
                } else if let failure = report.failure {
                    result.failures.append((one, failure))
                } else {
                    result.add(one, report)
                }
            } catch is CancellationError {
                break
            } catch {
                result.failures.append((one, LoadFailure(error)))
            }
        }
        result.wasInterrupted = Task.isCancelled
        return result
    }

    private func run(_ one: CompareCase, number: Int, of total: Int) async throws -> LoadReport {
        if let server = plan.server {
            var report = try await load(one, server, number: number, of: total)
            // The server may still hold the memory that it needed for earlier clients.
            report.memoryBefore = nil
            return report
        }
        let server = try await ChildServer.start(plan, settings: one.way.settings)
        do {
            let path = one.subscribers == nil ? "/echo" : "/broadcast"
            var own = LoadPlan(scenario: .echo, url: try server.url(path))
            own.processes = [server.identifier]
            let report = try await load(one, own, number: number, of: total)
            await server.stop()
            return report
        } catch {
            await server.stop()
            throw error
        }
    }

    private func load(
        _ one: CompareCase, _ server: LoadPlan, number: Int, of total: Int
    ) async throws -> LoadReport {
        try await LoadRun(one.plan(server, plan)) {
            onProgress(Progress(one: one, number: number, total: total, load: $0))
        }.run()
    }
}
