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

/// Where the users are.
struct UsersFileOptions: ParsableArguments {
    @OptionGroup var source: SourceOptions

    @Option(
        help: ArgumentHelp("The users file (default: auth.users).", valueName: "path"),
        completion: .file())
    var file: String?

    /// The path, symbolic links followed, so that the file and not the link is replaced.
    func path() throws -> String {
        let named = try file ?? loadForCommand(source.sources()).settings.auth.usersPath
        guard let named, !named.isEmpty else {
            throw complaint("no users file is named: use --file, or set auth.users", 78)
        }
        return URL(fileURLWithPath: named).resolvingSymlinksInPath().path
    }

    /// What the file at `path` says.
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

    /// Changes what the file at `path` says, as it stands now: of changes at once, none is lost.
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

    /// Puts `users` in the place of what the file at `path` says, all at once: who reads it
    /// meanwhile sees the old or the new. A new file only its owner may read; one that is there
    /// stays whose it was, the server's user's perhaps.
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
            // Only root may give files away; else the owner is the same, or becomes so.
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

/// `apus users add`: a new user, or a new password for one.
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
        // Before anyone types a password for a file that can't be changed.
        if FileManager.default.fileExists(atPath: path) { _ = try options.read(path) }
        guard let password = try PasswordPrompt.read(for: name) else {
            throw complaint("no password was given; nothing was changed")
        }
        let hash = try PasswordHash(of: password)
        let wasThere = try options.change(path) { try $0.set(name, hash) }
        print("\(wasThere ? "changed" : "added") \(name)")
    }
}

/// `apus users remove`: removes a user; tokens that were issued stay valid.
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

/// `apus users list`: the names, one a line.
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

/// What the terminal was before the prompt.
private nonisolated(unsafe) var terminalBefore = termios()

/// Asks for a password.
private enum PasswordPrompt {
    /// Returns the first line of standard input. On a terminal, asks for it twice without showing
    /// it, and throws if the two differ. `nil` if there is none.
    static func read(for name: String) throws -> String? {
        guard isatty(STDIN_FILENO) == 1 else { return line() }
        guard tcgetattr(STDIN_FILENO, &terminalBefore) == 0 else { return nil }
        var unseen = terminalBefore
        unseen.c_lflag &= ~tcflag_t(ECHO)
        // Who gives up would be left with a terminal that shows nothing.
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
