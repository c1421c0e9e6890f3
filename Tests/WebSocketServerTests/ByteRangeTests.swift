import Foundation
import Testing
import LiveTesting

@testable import WebSocketServer

@Suite("Byte ranges") struct ByteRangeTests {
    /// A slow twin, which marks each requested byte. Returns `nil` for the whole file.
    static func twin(_ field: String?, size: Int) -> [[Int]]? {
        guard let field, size > 0 else { return nil }
        let sides = field.components(separatedBy: "=")
        guard sides.count == 2, sides[0].lowercased() == "bytes" else { return nil }
        let specs = sides[1].components(separatedBy: ",")
            .map { $0.trimmingCharacters(in: CharacterSet(charactersIn: " \t")) }
            .filter { !$0.isEmpty }
        guard (1...16).contains(specs.count) else { return nil }
        var parts: [[Int]] = []
        for spec in specs {
            guard spec.wholeMatch(of: #/[0-9]*-[0-9]*/#) != nil, spec != "-" else { return nil }
            let ends = spec.components(separatedBy: "-").map { Double($0) }
            if let first = ends[0], let last = ends[1], first > last { return nil }
            parts.append(
                (0..<size).filter { byte in
                    if let first = ends[0] {
                        return first <= Double(byte) && Double(byte) <= (ends[1] ?? .infinity)
                    }
                    return Double(size - byte) <= ends[1]!
                })
        }
        parts = parts.filter { !$0.isEmpty }
        return parts.joined().count > size ? nil : parts
    }

    static func check(_ field: String?, size: Int) {
        let found: [[Int]]? =
            switch ByteRanges(field.map(ExactString.init(_:)), size: size) {
            case .whole: nil
            case .unsatisfiable: []
            case .parts(let ranges): ranges.map(Array.init)
            }
        #expect(found == twin(field, size: size), "\(field ?? "nil") of \(size)")
    }

    @Test("Ranges are those of the standard's examples, and of a slow twin")
    func examples() {
        for size in [0, 1, 2, 10, 10_000] {
            Self.check(nil, size: size)
            for field in [
                "bytes=0-499", "bytes=500-999", "bytes=-500", "bytes=9500-", "bytes=0-0,-1",
                "bytes= 0-999, 4500-5499, -1000", "bytes=500-600,601-999", "bytes=0-", "bytes=-0",
                "bytes=5-4", "bytes=-", "bytes=", "bytes", "bytes=,", "bytes=,0-0,,", "BYTES=0-0",
                "lines=0-0", "bytes=a-b", "bytes=0-0;1-1", "bytes =0-0", "bytes=0 -0", "bytes=+0-1",
                "bytes=0--1", "bytes=0-1-2", "bytes=0x0-1", "bytes=٠-1", "bytes=-5,0-4",
                "bytes=0-9",
                "bytes=99999999999999999999-", "bytes=0-99999999999999999999",
                "bytes=-99999999999999999999", "bytes=9223372036854775807-", "bytes=0-0=1-1",
                "bytes=9223372036854775806-9223372036854775807",
                "bytes=" + (0..<16).map { "\($0)-\($0)" }.joined(separator: ","),
                "bytes=" + (0..<17).map { "\($0)-\($0)" }.joined(separator: ","),
                "bytes=0-5,3-8", "bytes=0-0,0-0,0-0", "bytes=100-,0-0", "bytes=100-",
            ] { Self.check(field, size: size) }
        }
    }

    @Test("Random fields are read as by the twin", arguments: 0..<4)
    func random(_ seed: Int) {
        var generator = SplitMix(UInt64(seed))
        let pieces = ["0", "1", "3", "7", "12", "-", "-", "-", ",", ",", " ", "=", "x", "bytes="]
        for _ in 0..<2_000 {
            let count = Int(generator.next() % 10)
            let rest = (0..<count).map { _ in pieces.randomElement(using: &generator)! }
            Self.check("bytes=" + rest.joined(), size: Int(generator.next() % 14))
        }
    }
}

@Suite("Conditions on files") struct FileConditionTests {
    private static let modified = 784_111_777
    private static let date = "Sun, 06 Nov 1994 08:49:37 GMT"
    private static let earlier = "Sun, 06 Nov 1994 08:49:36 GMT"
    private static let conditions = FileConditions(
        size: 10, seconds: modified, nanoseconds: 5, now: modified + 100)

    @Test("The tag changes with the size and the time")
    func tag() {
        let tag = Self.conditions.tag
        #expect(tag == "\"a-2ebc9f61-5\"" || tag.hasPrefix("\"a-"))
        for (size, seconds, nanoseconds) in [(11, 0, 0), (10, 1, 0), (10, 0, 1)] {
            let other = FileConditions(
                size: size, seconds: Self.modified + seconds, nanoseconds: 5 + nanoseconds,
                now: Self.modified + 100)
            #expect(other.tag != tag)
        }
    }

    @Test("Conditions are evaluated in the order of RFC 9110 §13.2.2")
    func verdicts() {
        let tag = Self.conditions.tag
        func verdict(_ fields: HTTPFields) -> FileConditions.Verdict {
            Self.conditions.evaluate(fields)
        }
        #expect(verdict([:]) == .proceed)
        for list in [tag, "W/\(tag)", "*", "\"a,\", \(tag)", "\"x\",W/\(tag)", ", ,\(tag)"] {
            #expect(verdict([.ifNoneMatch: list]) == .notModified)
        }
        for list in ["\"x\"", "", "x", tag.replacing("\"", with: ""), "\"", "\"x\" \"", "W/"] {
            #expect(verdict([.ifNoneMatch: list]) == .proceed)
            #expect(verdict([.ifMatch: list]) == .preconditionFailed)
        }
        #expect(verdict([.ifMatch: tag]) == .proceed)
        #expect(verdict([.ifMatch: "*"]) == .proceed)
        #expect(verdict([.ifMatch: "W/\(tag)"]) == .preconditionFailed)
        #expect(verdict([.ifModifiedSince: Self.date]) == .notModified)
        #expect(verdict([.ifModifiedSince: Self.earlier]) == .proceed)
        #expect(verdict([.ifModifiedSince: "yesterday"]) == .proceed)
        #expect(verdict([.ifUnmodifiedSince: Self.date]) == .proceed)
        #expect(verdict([.ifUnmodifiedSince: Self.earlier]) == .preconditionFailed)
        // A tag says more than a date.
        #expect(verdict([.ifNoneMatch: "\"x\"", .ifModifiedSince: Self.date]) == .proceed)
        #expect(verdict([.ifMatch: tag, .ifUnmodifiedSince: Self.earlier]) == .proceed)
        #expect(verdict([.ifMatch: "\"x\"", .ifNoneMatch: tag]) == .preconditionFailed)
    }

    @Test("Ranges depend on If-Range, which names this version exactly")
    func ifRange() {
        let tag = Self.conditions.tag
        func allows(_ value: String) -> Bool { Self.conditions.allowsRange([.ifRange: value]) }
        #expect(Self.conditions.allowsRange([:]))
        #expect(allows(tag) && allows(Self.date))
        #expect(!allows("W/\(tag)") && !allows("\"x\"") && !allows(Self.earlier) && !allows("*"))
        // The file may have changed again within the same second.
        let fresh = FileConditions(
            size: 10, seconds: Self.modified, nanoseconds: 5, now: Self.modified)
        #expect(!fresh.allowsRange([.ifRange: Self.date]))
    }

    @Test("A time before 1970 or in the future isn't shown")
    func times() {
        for seconds in [-1, Int.min, Self.modified + 1, Int.max] {
            let conditions = FileConditions(
                size: 1, seconds: seconds, nanoseconds: 0, now: Self.modified)
            #expect(conditions.modified == nil)
            #expect(conditions.evaluate([.ifModifiedSince: Self.date]) == .proceed)
        }
    }
}
