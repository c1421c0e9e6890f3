import HTTPProtocol
import HTTPTypes
import Logging
import Testing
import LiveTesting

@testable import WebSocketServer

/// The answer of a router to a request, in a form that can be compared.
enum RouterAnswer: Equatable {
    case routed(String, PathParameters)
    /// The path is a WebSocket's, and the request is a plain one.
    case plain(String, PathParameters)
    case notAllowed(Set<HTTPRequest.Method>)
    case options(Set<HTTPRequest.Method>)
    case wrongType(String)
    case notFound
}

extension Router {
    /// The routes as a running server has them.
    var table: RouteTable {
        RouteTable(
            self, origins: OriginCheck(origins: .any, logger: .silent),
            warnings: ServerWarnings(logger: .silent), logger: .silent)
    }
}

extension RouteTable {
    /// Finds a route and asks it for its text: the body of its response, or the detail of its
    /// refusal.
    func answer(
        _ method: HTTPRequest.Method, _ path: [ExactString], isUpgrade: Bool = false
    ) async -> RouterAnswer {
        switch find(method, path, isUpgrade: isUpgrade) {
        case .respond(let respond, let parameters, _, _):
            let response = try? await respond(.sample(method))
            return .routed(String(decoding: response?.body ?? [], as: UTF8.self), parameters)
        case .webSocket(let upgrade, let parameters):
            return .routed(await upgrade.text, parameters)
        case .upgradeRequired(let upgrade, let parameters):
            return .plain(await upgrade.text, parameters)
        case .unmatched(.notFound): return .notFound
        case .unmatched(.wrongType(let name, _)): return .wrongType(name)
        case .unmatched(.methodNotAllowed(let methods)): return .notAllowed(Set(methods))
        case .unmatched(.options(let methods)): return .options(Set(methods))
        }
    }
}

extension RouteTable.Upgrade {
    fileprivate var text: String {
        get async {
            let request = UpgradeRequest(
                head: Request.sample(.get).head, parameters: PathParameters(), query: nil,
                values: RequestValues(), subprotocols: [], remoteAddress: "", isPlain: false)
            do {
                _ = try await decide(request)
                return "accepted"
            } catch {
                return (error as? Problem)?.detail ?? "\(error)"
            }
        }
    }
}

extension Request {
    static func sample(
        _ method: HTTPRequest.Method = .get, _ headerFields: HTTPFields = [:]
    ) -> Request {
        Request(
            head: HTTPRequest(
                method: method, scheme: nil, authority: "a", path: "/?secret=1",
                headerFields: headerFields),
            parameters: PathParameters(), query: nil, body: [], remoteAddress: "192.0.2.1",
            isDraining: false, publisher: .idle)
    }
}

/// The router's choices, against those of a slow and obvious twin.
@Suite("The router and its twin") struct RouterTwinTests {
    /// A route: its method, or `nil` for upgrades, and its segments.
    private struct Spec: Hashable {
        let method: HTTPRequest.Method?
        let segments: [String]
        var path: String { "/" + segments.joined(separator: "/") }

        /// The segments without the names of parameters.
        var shape: [String] {
            segments.map { segment in
                guard segment.hasPrefix("{") else { return segment }
                return segment.hasSuffix("...}")
                    ? "..." : segment.hasSuffix(":int}") ? ":int" : "{}"
            }
        }
    }

    private enum Fit: Equatable { case no, wrong(String), yes(PathParameters) }

    private static let methods: [HTTPRequest.Method?] = [nil, .get, .get, .post, .head, .options]

    private static func randomSpecs(_ random: inout SplitMix) -> [Spec] {
        var specs: [Spec] = []
        var seen: Set<[String]> = []
        for _ in 0..<Int.random(in: 1...8, using: &random) {
            let count = Int.random(in: 0...3, using: &random)
            var segments = (0..<count).map { index in
                ["a", "b", "1", "{p\(index)}", "{p\(index):int}"].randomElement(using: &random)!
            }
            if count > 0, Int.random(in: 0..<4, using: &random) == 0 {
                segments[count - 1] = "{rest...}"
            }
            let spec = Spec(
                method: methods.randomElement(using: &random)!, segments: segments)
            if seen.insert([spec.method?.rawValue ?? ""] + spec.shape).inserted {
                specs.append(spec)
            }
        }
        return specs
    }

    private static func add(_ spec: Spec, at path: String, _ number: Int, to router: inout Router) {
        let text = "\(number)"
        if let method = spec.method {
            router.on(method, path) { _ in .text(text) }
        } else {
            router.upgrade(path) { _ in throw Problem(.gone, text) }
        }
    }

    private static func fit(_ segments: [String], _ path: [String]) -> Fit {
        var (names, rest): ([String: ExactString], [ExactString]) = ([:], [])
        var wrong: String?
        var left = path
        for segment in segments {
            let name = String(segment.dropFirst().prefix { $0 != ":" && $0 != "." && $0 != "}" })
            if segment.hasSuffix("...}") {
                if left.isEmpty {
                    guard path.isEmpty else { return .no }
                    left = [""]
                }
                rest = left.map { ExactString($0) }
                names[name] = ExactString(left.joined(separator: "/"))
                left = []
                continue
            }
            guard let value = left.first else { return .no }
            left.removeFirst()
            if !segment.hasPrefix("{") {
                if segment != value { return .no }
                continue
            }
            if value.isEmpty { return .no }
            names[name] = ExactString(value)
            if segment.hasSuffix(":int}"), Int(value) == nil { wrong = wrong ?? name }
        }
        if !left.isEmpty { return .no }
        if let wrong { return .wrong(wrong) }
        var parameters = PathParameters(values: names)
        parameters.rest = rest
        return .yes(parameters)
    }

    private static func twin(
        _ specs: [Spec], _ method: HTTPRequest.Method, _ path: [String], isUpgrade: Bool
    ) -> RouterAnswer {
        /// From the left: literal, integer, text, rest.
        func rank(_ spec: Spec) -> String {
            spec.shape.map { $0 == "..." ? "3" : $0 == "{}" ? "2" : $0 == ":int" ? "1" : "0" }
                .joined()
        }
        let fits = specs.enumerated()
            .map { (number: $0, spec: $1, fit: fit($1.segments, path), rank: rank($1)) }
            .sorted { ($0.rank, $0.number) < ($1.rank, $1.number) }
        let whole = fits.compactMap { one -> (text: String, spec: Spec, values: PathParameters)? in
            guard case .yes(let values) = one.fit else { return nil }
            return ("\(one.number)", one.spec, values)
        }
        let upgrade = whole.first { $0.spec.method == nil }
        if isUpgrade, method == .get, let upgrade { return .routed(upgrade.text, upgrade.values) }
        let answering = whole.filter {
            $0.spec.method == method || $0.spec.method == .get && method == .head
        }
        if let best = answering.first {
            // Of equal paths, the route for HEAD answers HEAD.
            let same = answering.filter { rank($0.spec) == rank(best.spec) }
            let found = same.first { $0.spec.method == method } ?? best
            return .routed(found.text, found.values)
        }
        if let upgrade, method == .get || method == .head {
            return .plain(upgrade.text, upgrade.values)
        }
        if !whole.isEmpty {
            var allowed = Set(whole.map { $0.spec.method ?? .get } + [.options])
            if allowed.contains(.get) { allowed.insert(.head) }
            return method == .options ? .options(allowed) : .notAllowed(allowed)
        }
        for one in fits { if case .wrong(let name) = one.fit { return .wrongType(name) } }
        return .notFound
    }

    @Test("choose the same route and parameters, whatever the order of the routes")
    func choices() async {
        var random = SplitMix(17)
        for _ in 0..<200 {
            let specs = Self.randomSpecs(&random)
            var router = Router()
            for (number, spec) in specs.enumerated() {
                Self.add(spec, at: spec.path, number, to: &router)
            }
            let table = router.table
            for _ in 0..<20 {
                let path = (0..<Int.random(in: 0...4, using: &random)).map { _ in
                    ["a", "b", "1", "-7", "", "x/y", "\u{E9}"].randomElement(using: &random)!
                }
                let method: HTTPRequest.Method = [
                    .get, .head, .post, .options, .delete,
                ].randomElement(using: &random)!
                let isUpgrade = Bool.random(using: &random)
                let answer = await table.answer(
                    method, path.map { ExactString($0) }, isUpgrade: isUpgrade)
                let expected = Self.twin(specs, method, path, isUpgrade: isUpgrade)
                // An `#expect` would describe all its values each time.
                if answer == expected { continue }
                let routes = specs.map { "\($0.method?.rawValue ?? "WS") \($0.path)" }
                Issue.record(
                    "\(answer), not \(expected), to \(method) \(path) \(isUpgrade) of \(routes)")
            }
        }
    }

    @Test("A group is the same as its prefix before each path, at any depth")
    func groups() throws {
        var random = SplitMix(4)
        for _ in 0..<100 {
            let specs = Self.randomSpecs(&random)
            var (plain, grouped) = (Router(), Router())
            for (number, spec) in specs.enumerated() {
                Self.add(spec, at: spec.path, number, to: &plain)
                // Cuts the path into groups at random places. The rest of a path ends one.
                let cut =
                    spec.segments.isEmpty || spec.segments.last == "{rest...}"
                    ? 0 : Int.random(in: 0...spec.segments.count, using: &random)
                let first = Int.random(in: 0...cut, using: &random)
                func prefix(_ range: Range<Int>) -> String {
                    "/" + spec.segments[range].joined(separator: "/")
                }
                grouped.group(prefix(0..<first)) { outer in
                    outer.group(prefix(first..<cut)) { inner in
                        Self.add(spec, at: prefix(cut..<spec.segments.count), number, to: &inner)
                    }
                }
            }
            try grouped.validate()
            #expect(grouped.list.map { "\($0)" } == plain.list.map { "\($0)" })
        }
    }

    @Test("Options of a route stay with it in a group")
    func adjustments() {
        var router = Router()
        router.upgrade("/a", adjusting: { $0.limits.messageSizeMax = .bytes(1) }) { _ in
            .refuse(.gone, "")
        }
        router.group("/g") { group in
            group.webSocket("/b", adjusting: { $0.limits.messageSizeMax = .bytes(2) }) { _ in }
            group.group("/h") {
                $0.webSocket("/c", adjusting: { $0.limits.messageSizeMax = .bytes(3) }) { _ in }
            }
            group.webSocket("/d") { _ in }
        }
        router.webSocket("/e", adjusting: { $0.limits.messageSizeMax = .bytes(5) }) { _ in }
        var sizes: [String: Int] = [:]
        for route in router.routes {
            guard case .upgrade(_, let index) = route.target else { continue }
            var options = ConnectionConfiguration(
                limits: Limits(), heartbeat: Heartbeat(), compression: .off)
            if let index { router.adjustments[index](&options) }
            sizes[route.pattern.text] = options.limits.messageSizeMax.bytes
        }
        let usual = Limits().messageSizeMax.bytes
        #expect(sizes == ["/a": 1, "/g/b": 2, "/g/h/c": 3, "/g/d": usual, "/e": 5])
    }
}
