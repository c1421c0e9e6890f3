import ArgumentParser
import Foundation
import Logging
import RealtimeApp

/// `apus token`: prints a token that the server with the same configuration accepts.
struct TokenCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "token",
        abstract: "Make a token for tests.",
        discussion: """
            Prints a token that is signed with auth.jwt.secret by auth.jwt.algorithm, for \
            auth.jwt.issuer and auth.jwt.audience. The server must have the same secret. Keep \
            the secret in the file or the environment: other users of the machine can see \
            command lines.

            EXAMPLES:
              export APUS_AUTH_JWT_SECRET=$(openssl rand -hex 32)
              apus token --sub ada --lifetime 1h
              apus token --sub ada --config apus.yaml --audience tests
            """)

    @OptionGroup var source: SourceOptions

    @Option(help: ArgumentHelp("The user that the token is for.", valueName: "name"))
    var sub: String

    @Option(
        help: ArgumentHelp(
            "How long it is valid: 90s or 1h, say (default: auth.token.lifetime).",
            valueName: "duration"))
    var lifetime: Lifetime?

    @Option(help: ArgumentHelp("The audience (default: auth.jwt.audience).", valueName: "name"))
    var audience: String?

    func validate() throws {
        guard !sub.isEmpty else { throw ValidationError("--sub must not be empty.") }
    }

    func run() async throws {
        let log = StandardErrorLog()
        defer { log.finish() }
        let loaded = try loadForCommand(source.sources())
        let logger = log.logger()
        loaded.logWarnings(logger)
        // Only the secret is needed, so the files may be missing.
        var options = loaded.settings.auth
        options.keySetPath = nil
        options.usersPath = nil
        options.requiredFor = []
        let authentication = try await readForCommand(options, log: log, logger: logger)
        guard
            let token = authentication.mint(
                subject: sub, lifetime: lifetime?.duration, audience: audience)
        else {
            throw complaint("auth.jwt.secret is not set; a token can't be signed without it", 78)
        }
        print(token)
    }
}

/// The duration given by `--lifetime`.
struct Lifetime: ExpressibleByArgument {
    let duration: Duration

    /// Returns `nil`, which is a usage error, for an invalid duration or one out of range.
    init?(argument: String) {
        let kind = TimeSpan(.seconds(1) ... .seconds(3_650 * 86_400))
        guard let duration = try? kind.parse(argument) else { return nil }
        self.duration = duration
    }
}

/// Reports a problem on standard error; the caller throws the result.
func complaint(_ problem: String, _ status: Int32 = 1) -> ExitCode {
    writeToStandardError("apus: \(problem)\n")
    return ExitCode(status)
}
