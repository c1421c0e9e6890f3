/// Runs a comparison's cases one after the other, each on a server of its own; then all of them
/// again, so that what else the machine does meets them all.
package struct Comparison: Sendable {
    package struct Progress: Sendable {
        package var one: CompareCase
        /// Which of how many it is.
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

    /// Runs all. Cancelled, it ends and returns what there is.
    package func run() async throws -> CompareResult {
        var result = CompareResult(plan)
        let cases = plan.cases
        let total = cases.count * plan.repeats
        for index in 0..<total {
            if Task.isCancelled { break }
            let one = cases[index % cases.count]
            onProgress(Progress(one: one, number: index + 1, total: total))
            do {
                let report = try await run(one, number: index + 1, of: total)
                if Task.isCancelled { break }
                result.add(one, report)
            } catch is CancellationError {
                break
            } catch {
                result.failures.append((one, "\(error)"))
            }
        }
        return result
    }

    private func run(_ one: CompareCase, number: Int, of total: Int) async throws -> LoadReport {
        let server = try await ChildServer.start(plan, settings: one.way.settings)
        let url = try server.url(one.subscribers == nil ? "/echo" : "/broadcast")
        let load = LoadRun(one.plan(url, plan, process: server.identifier)) {
            onProgress(Progress(one: one, number: number, total: total, load: $0))
        }
        do {
            let report = try await load.run()
            await server.stop()
            return report
        } catch {
            await server.stop()
            throw error
        }
    }
}
