import HTTPProtocol

/// The requested part of the list of tasks: `?limit=100&after=7`. Without parameters, it is the
/// complete list.
struct TaskPage: Sendable, Hashable {
    static let limits: ClosedRange<Int64> = 1...100_000

    /// The most tasks of the page; `nil` means all.
    var limit: Int64?
    /// The id after which the page begins.
    var after: Int64?
}

extension TaskPage {
    /// Parses the parameters of a query. Returns the page, or all errors. If a parameter is
    /// repeated, the last one counts, as in FastAPI.
    static func read(query: ExactString?) -> Result<TaskPage, ValidationFaults> {
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
