/// The keys of tasks.
extension Schema {
    static let tasks: [Key] = [
        Key(
            "tasks.database", DatabasePath(), \.tasksDatabase,
            "The SQLite file of the tasks. It is created if it is missing.")
    ]
}

/// The path of an SQLite file; empty means `nil`.
struct DatabasePath: Kind {
    let accepted = "a path, or empty (no /tasks)"

    func parse(_ text: String) throws(Rejection) -> String? {
        // SQLite would not read these as a path.
        guard !text.utf8.contains(0), !text.hasPrefix(":"), !text.hasPrefix("file:") else {
            throw Rejection(problem: "not a path")
        }
        return text.isEmpty ? nil : text
    }

    func write(_ value: String?) -> String { value ?? "" }
}
