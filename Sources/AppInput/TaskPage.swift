package import HTTPProtocol

/// Which part of the list of tasks is wanted: `?limit=100&after=7`; without either, all of it.
package struct TaskPage: Sendable, Hashable {
    static let limits: ClosedRange<Int64> = 1...100_000

    /// At most so many; `nil`: all.
    package var limit: Int64?
    /// Those with larger ids than this.
    package var after: Int64?
}

extension TaskPage {
    /// The page that a query asks for, or all that is wrong with it. The last of several values
    /// counts, as in FastAPI.
    package static func read(query: ExactString?) -> Result<TaskPage, ValidationFaults> {
        let form = Form(query ?? "")
        var page = TaskPage()
        var faults: [ValidationFault] = []
        func number(_ name: String, _ range: ClosedRange<Int64>) -> Int64? {
            guard let value = form[ExactString(name)] else { return nil }
            // Invalid UTF-8 is reported as an invalid number.
            let text = ExactString(validating: value) ?? "\u{FFFD}"
            let loc: [ValidationFault.Item] = ["query", .text(name)]
            switch Fields.integer(text, at: loc)
                .flatMap({ Fields.within(range, $0, at: loc) })
            {
            case .success(let value): return value
            case .failure(let fault):
                faults.append(fault)
                return nil
            }
        }
        page.limit = number("limit", limits)
        page.after = number("after", .min ... .max)
        return faults.isEmpty ? .success(page) : .failure(ValidationFaults(faults))
    }
}
