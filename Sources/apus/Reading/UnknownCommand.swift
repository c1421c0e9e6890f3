import ArgumentParser

/// A command name that does not exist, such as the `serv` of `apus serv`.
struct UnknownCommand: Equatable {
    let name: String
    /// The command whose subcommands were searched: `apus` or `apus bench`.
    let parent: String
    /// The subcommand that was probably meant.
    let suggestion: String?
    let allowed: [String]

    /// Finds an unknown command in the arguments; returns `nil` if all commands exist.
    static func find(in arguments: [String]) -> UnknownCommand? {
        var command: any ParsableCommand.Type = Apus.self
        var path = ["apus"]
        for argument in arguments {
            let subcommands = command.configuration.subcommands
            if subcommands.isEmpty || argument.hasPrefix("-") { return nil }
            // `apus help serve` means the same as `apus serve --help`.
            if argument == "help", path.count == 1 { continue }
            guard let next = subcommands.first(where: { $0.configuration.commandName == argument })
            else {
                let names = subcommands.compactMap { $0.configuration.commandName }
                return UnknownCommand(
                    name: argument, parent: path.joined(separator: " "),
                    suggestion: nearest(to: argument, among: names), allowed: names)
            }
            command = next
            path.append(argument)
        }
        return nil
    }

    var description: String {
        let hint =
            suggestion.map { "did you mean \($0)?" }
            ?? "there are \(allowed.joined(separator: ", "))"
        return """
            Error: '\(parent)' has no command '\(name.inOneLine)'; \(hint)
              See '\(parent) --help' for more information.

            """
    }
}
