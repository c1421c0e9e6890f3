import ArgumentParser
import Foundation
import RealtimeApp

/// `apus users`: edits the file of the users who may sign in with `POST /token`.
struct UsersCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "users",
        abstract: "Add, remove and list the users who may sign in.",
        discussion: """
            The users file is --file, or auth.users of the configuration. It has a line NAME:HASH \
            for each user, with a scrypt hash of the password. A running server notices changes.

            EXAMPLES:
              apus users add ada --file users                asks for the password
              pass show ada | apus users add ada --file users
              apus users list --file users
            """,
        subcommands: [AddUserCommand.self, RemoveUserCommand.self, ListUsersCommand.self])
}

/// The options that locate the users file.
struct UsersFileOptions: ParsableArguments {
    @OptionGroup var source: SourceOptions

    @Option(
        help: ArgumentHelp("The users file (default: auth.users).", valueName: "path"),
        completion: .file())
    var file: String?

    /// Returns the path with symbolic links resolved, so that the file is replaced and not the
    /// link.
    func path() throws -> String {
        let named = try file ?? loadForCommand(source.sources()).settings.auth.usersPath
        guard let named, !named.isEmpty else {
            throw complaint("no users file is named: use --file, or set auth.users", 78)
        }
        return URL(fileURLWithPath: named).resolvingSymlinksInPath().path
    }

    /// Returns the content of the file at `path`.
    func read(_ path: String) throws -> UsersFile {
        let text: String
        do {
            text = try String(contentsOfFile: path, encoding: .utf8)
        } catch {
            throw complaint("\(path) can't be read")
        }
        do {
            return try UsersFile(text)
        } catch {
            throw complaint("\(path): \(error)")
        }
    }

    /// Changes the current content of the file at `path`. Concurrent changes are not lost.
    func change<Result>(
        _ path: String, _ change: (inout UsersFile) throws -> Result
    ) throws -> Result {
        let lock = try UsersLock(besides: path)
        defer { lock.release() }
        var users = UsersFile()
        if FileManager.default.fileExists(atPath: path) { users = try read(path) }
        let result = try change(&users)
        try write(users, to: path)
        return result
    }

    /// Replaces the content of the file at `path` by `users`, atomically: concurrent readers see
    /// the old or the new content. Only its owner may read a new file. An existing file keeps its
    /// owner, who may be the server's user.
    private func write(_ users: UsersFile, to path: String) throws {
        let temporary = "\(path).\(ProcessInfo.processInfo.processIdentifier).new"
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw complaint("\(temporary) can't be written: \(String(cString: strerror(errno)))")
        }
        if let old = try? FileManager.default.attributesOfItem(atPath: path),
            let owner = old[.ownerAccountID] as? Int,
            let group = old[.groupOwnerAccountID] as? Int,
            let permissions = old[.posixPermissions] as? Int
        {
            // Only root may change the owner. For others, the owner stays the same or becomes this
            // user.
            _ = fchown(descriptor, uid_t(owner), gid_t(group))
            fchmod(descriptor, mode_t(permissions & 0o777))
        }
        do {
            let handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: false)
            try handle.write(contentsOf: Data(users.text.utf8))
            try handle.synchronize()
            try handle.close()
        } catch {
            unlink(temporary)
            throw complaint("\(temporary) can't be written: \(error)")
        }
        guard rename(temporary, path) == 0 else {
            let reason = String(cString: strerror(errno))
            unlink(temporary)
            throw complaint("\(path) can't be written: \(reason)")
        }
    }
}

/// `apus users add`: adds a user, or changes a user's password.
struct AddUserCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "add",
        abstract: "Add a user, or change a user's password.",
        discussion: """
            On a terminal, asks for the password twice, without showing it. Otherwise the \
            password is the first line of standard input. A file that doesn't exist is created; \
            only its owner can read it.

            EXAMPLES:
              apus users add ada --file users
              pass show ada | apus users add ada --config apus.yaml
            """)

    @Argument(help: "The user's name: up to 64 bytes, without spaces and colons.")
    var name: String

    @OptionGroup var options: UsersFileOptions

    func run() async throws {
        do {
            try UsersFile.check(name: name)
        } catch {
            throw complaint("\(error)", 64)
        }
        let path = try options.path()
        // Fails before the user types a password for a file that can't be changed.
        if FileManager.default.fileExists(atPath: path) { _ = try options.read(path) }
        guard let password = try PasswordPrompt.read(for: name) else {
            throw complaint("no password was given; nothing was changed")
        }
        let hash = try PasswordHash(of: password)
        let wasThere = try options.change(path) { try $0.set(name, hash) }
        print("\(wasThere ? "changed" : "added") \(name)")
    }
}

/// `apus users remove`: removes a user. Issued tokens stay valid.
struct RemoveUserCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove",
        abstract: "Remove a user. Tokens that the user has stay valid until they expire.",
        discussion: """
            EXAMPLES:
              apus users remove ada --file users
            """)

    @Argument(help: "The user's name.")
    var name: String

    @OptionGroup var options: UsersFileOptions

    func run() async throws {
        let path = try options.path()
        _ = try options.read(path)
        try options.change(path) { users in
            guard users.remove(name) else { throw complaint("\(path) has no user \(name)") }
        }
        print("removed \(name)")
    }
}

/// `apus users list`: prints the names, one per line.
struct ListUsersCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List the users.",
        discussion: """
            EXAMPLES:
              apus users list --config apus.yaml
            """)

    @OptionGroup var options: UsersFileOptions

    func run() async throws {
        for name in try options.read(try options.path()).names { print(name) }
    }
}

/// The terminal's state before the prompt.
private nonisolated(unsafe) var terminalBefore = termios()

/// The prompt for a password.
private enum PasswordPrompt {
    /// Returns the first line of standard input; `nil` if there is none. On a terminal, asks for it
    /// twice without showing it, and throws if the two differ.
    static func read(for name: String) throws -> String? {
        guard isatty(STDIN_FILENO) == 1 else { return line() }
        guard tcgetattr(STDIN_FILENO, &terminalBefore) == 0 else { return nil }
        var unseen = terminalBefore
        unseen.c_lflag &= ~tcflag_t(ECHO)
        // Without this, Ctrl-C would leave the terminal without echo.
        signal(SIGINT) { _ in
            tcsetattr(STDIN_FILENO, TCSANOW, &terminalBefore)
            _exit(130)
        }
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &unseen)
        defer { tcsetattr(STDIN_FILENO, TCSAFLUSH, &terminalBefore) }
        say("Password for \(name): ")
        let first = line()
        say("\nAgain: ")
        let second = line()
        say("\n")
        guard first == second else {
            throw complaint("the two passwords differ; nothing was changed")
        }
        return first
    }

    private static func line() -> String? { readLine().flatMap { $0.isEmpty ? nil : $0 } }

    private static func say(_ text: String) {
        writeToStandardError(text)
    }
}
