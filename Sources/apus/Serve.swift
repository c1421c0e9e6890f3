import ArgumentParser
import Foundation

/// Serves with `settings` until a signal or a failure stops it.
///
/// - Throws: what kept it from starting, or stopped it.
func serve(settings: Settings) async throws {
    FileHandle.standardError.write(Data("apus: this build has no server\n".utf8))
    throw ExitCode(70)
}
