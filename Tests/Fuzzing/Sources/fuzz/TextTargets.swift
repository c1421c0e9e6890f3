import Foundation
import HTTPProtocol

/// The limit in seconds for an input of up to 64 KiB. Linear work takes a small fraction of it, and
/// work that grows with the square of the size would take six times as long.
private let secondsMax = 0.25

/// Runs `test`. Fails if it takes more CPU time of the thread than ``secondsMax``.
private func withinLimit(_ test: () -> Void) {
    func now() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
    let start = now()
    test()
    let seconds = now() - start
    if seconds > secondsMax { fail("\(seconds) s for one input") }
}

extension FuzzInput {
    /// The rest of the input, with a sequence of combining marks for each byte of 1, so that short
    /// inputs contain long sequences. At most 64 KiB.
    fileprivate var stretched: [UInt8] {
        let marks = Array(String(repeating: "\u{300}\u{316}", count: 4_000).utf8)
        var text: [UInt8] = []
        for byte in rest {
            if byte == 1 { text += marks } else { text.append(byte) }
            if text.count > 64 << 10 { break }
        }
        return Array(text.prefix(64 << 10))
    }
}

/// Checks JSON bodies: the position of an error lies in the text, the result is the same with
/// whitespace around it, and no name or string is expensive.
enum JSONTarget {
    static func test(_ input: FuzzInput) {
        let bytes = input.stretched
        withinLimit { check(bytes) }
    }

    private static func check(_ bytes: [UInt8]) {
        do throws(JSONFault) {
            let value = try JSONReader.read(bytes)
            if case .object(let members) = value {
                for (name, member) in members where members[name] != member { fail("a name") }
                if let read = try? JSONMembers(bytes) { _ = try? read.text("title") }
            }
            if bytes.first != 0xEF {
                require(try? JSONReader.read([0x20] + bytes + [0x0A]), equals: value, "in blanks")
            }
        } catch {
            if !(0...bytes.count).contains(error.position) { fail("a fault at \(error.position)") }
        }
        switch NewTask.read(bytes, as: .none) {
        case .success(let task):
            if !NewTask.titleSize.contains(task.title.string.unicodeScalars.count) { fail("title") }
        case .failure(let faults): if faults.all.isEmpty { fail("refused for nothing") }
        }
        _ = try? PublishedMessage.read(query: nil, bytes, as: .named("application/json"))
    }
}

/// Checks forms, queries, media types and whole numbers in texts.
enum FormTarget {
    static func test(_ input: FuzzInput) {
        let bytes = input.stretched
        withinLimit { check(bytes) }
    }

    private static func check(_ bytes: [UInt8]) {
        let text = ExactString(String(decoding: bytes, as: UTF8.self))
        let form = Form(bytes)
        for field in form.fields {
            guard let name = field.name else { continue }
            require(
                form[name], equals: form.fields.last { $0.name == name }?.value, "the last value")
            break
        }
        if let request = TokenRequest(bytes), request["grant_type"]?.isEmpty == true {
            fail("an empty parameter")
        }
        _ = TaskPage.read(query: text)
        _ = try? PublishedMessage.read(query: text, bytes, as: MediaType(text))
        if case .named(let type) = MediaType(text) {
            require(MediaType(type), equals: .named(type), "a media type")
        }
        if case .success(let number) = Fields.integer(text, at: []) {
            let plain = text.utf8.filter { $0 != UInt8(ascii: "_") && $0 > 0x20 && $0 < 0x7F }
            let digits = plain.prefix { $0 != UInt8(ascii: ".") }
            require(
                Int64(String(decoding: digits, as: UTF8.self)), equals: number, "a whole number")
        }
    }
}

/// Checks tokens, and that messages with a token are detected as by a complete parse.
enum TokenTarget {
    static func test(_ input: FuzzInput) {
        let bytes = input.stretched
        withinLimit { check(bytes) }
    }

    private static func check(_ bytes: [UInt8]) {
        let text = ExactString(String(decoding: bytes, as: UTF8.self))
        if let token = try? Token(text), text.utf8.count > Token.sizeMax {
            fail("a token with \(token.signature.count) bytes of signature")
        }
        _ = try? Token.Header(bytes)
        if let claims = try? TokenClaims(bytes), claims.expiry?.isFinite == false { fail("exp") }
        guard let message = ExactString(validating: bytes) else { return }
        let read = bytes.withUnsafeBytes { TokenMessage(RawSpan(_unsafeBytes: $0)) }
        let whole = try? JSONReader.read(bytes)
        if case .object(let members)? = whole, members.count == 1,
            case .string(let token)? = members["token"]
        {
            // Four quotes: no member is repeated, and no escaped quote hides one.
            guard message.utf8.count(where: { $0 == UInt8(ascii: "\"") }) == 4 else { return }
            switch read {
            case .token: require(read, equals: .token(token), "a token message")
            case .tooLong: if bytes.count <= Token.sizeMax { fail("too long") }
            case .other: if bytes.first == UInt8(ascii: "{") { fail("not told to be one") }
            }
        } else if case .token = read {
            fail("told to be a token message")
        }
    }
}
