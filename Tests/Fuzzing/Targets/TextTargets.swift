import AppInput
import Foundation
import HTTPProtocol

/// Seconds that an input of up to 64 KiB may take: many times what it needs, and a sixth of what it
/// would take if its cost grew with the square of its size.
private let secondsMax = 0.25

/// Runs `test`; fails if it takes longer than ``secondsMax`` on the thread's own clock.
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
    /// What is left, with a run of combining marks in mixed order for each byte of 1: no input need
    /// be long to hold some, nor chance put them together. 64 KiB at most.
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

/// Bodies in JSON: a fault's place lies in the text, what is read reads the same again with blanks
/// around it, and no name or string is dear.
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

/// Forms, queries, media types and whole numbers in texts.
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

/// Tokens, and messages that may bring one: told apart as by reading them whole.
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
            // Four quotes: no member comes twice, no escaped quote hides one.
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
