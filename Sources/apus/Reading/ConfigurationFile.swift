import Foundation
import Yams

/// The content of a YAML file: the text and line of each known key, and the errors in the file.
///
/// Yams composes the file here. The YAML provider of swift-configuration would report neither lines
/// nor the keys in the file. The file is read only once, so `--config <(…)` works too.
struct ConfigurationFile {
    struct Entry: Equatable {
        let text: String
        let line: Int
    }

    static let bytesMax = 1 << 20

    let path: String
    private(set) var entries: [String: Entry] = [:]
    private(set) var faults: [Fault] = []

    /// Reads the file at `path`; errors become faults.
    init(path: String) {
        self.path = path
        do {
            let file = try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
            defer { try? file.close() }
            let data = try file.read(upToCount: Self.bytesMax + 1) ?? Data()
            compose(data)
        } catch {
            faults = [Fault(path, "can't be read: \(reason(for: error))")]
        }
    }

    private mutating func compose(_ data: Data) {
        guard data.count <= Self.bytesMax else {
            faults.append(Fault(path, "larger than \(Self.bytesMax >> 20)MiB"))
            return
        }
        do {
            guard let root = try Yams.Parser(yaml: data).singleRoot(), !root.isNull else { return }
            guard let mapping = root.mapping else {
                faults.append(Fault(path, "not sections with keys, but a list or one value"))
                return
            }
            collect(mapping, section: "")
        } catch {
            let (line, problem) = position(of: error)
            let place = line.map { "\(path):\($0)" } ?? path
            faults.append(Fault(place, "not valid YAML: \(problem)"))
        }
    }

    /// Collects the keys of a section. Descends only into known sections, so that aliases can't
    /// multiply the work.
    private mutating func collect(_ mapping: Node.Mapping, section: String) {
        for (keyNode, value) in mapping {
            let line = keyNode.mark?.line ?? 1
            let origin = Origin.file(path: path, line: line)
            guard let word = keyNode.scalar?.string else {
                let place = section.isEmpty ? "top level" : section
                faults.append(Fault(origin, key: place, "a key that is not a word"))
                continue
            }
            let name = section.isEmpty ? word : "\(section).\(word)"
            if let key = Schema.key(named: name) {
                add(value, for: key, at: line)
            } else if !Schema.sections.contains(name) {
                let isSection = value.mapping != nil
                faults.append(
                    isSection
                        ? Fault(origin, unknownSection: name) : Fault(origin, unknownKey: name))
            } else if let nested = value.mapping {
                collect(nested, section: name)
            } else if !value.isNull {
                faults.append(Fault(origin, key: name, "a section, which has no value itself"))
            }
        }
    }

    private mutating func add(_ value: Node, for key: Key, at line: Int) {
        let origin = Origin.file(path: path, line: line)
        guard let text = value.text(asList: key.takesList) else {
            let problem =
                key.takesList
                ? "takes a list of plain values, without commas in them"
                : "takes one value, not a list or section"
            faults.append(
                Fault(origin, key: key.name, "\(problem); allowed: \(key.accepted)"))
            return
        }
        if let first = entries[key.name] {
            faults.append(
                Fault(origin, key: key.name, "given twice, first in line \(first.line)"))
            return
        }
        entries[key.name] = Entry(text: text, line: line)
    }
}

extension Node {
    /// Whether the value is empty, `~` or `null`.
    fileprivate var isNull: Bool { self.null != nil }

    /// Returns the text of a value, or that of a list as the command line has it. Returns `nil` for
    /// anything else.
    fileprivate func text(asList takesList: Bool) -> String? {
        if isNull { return "" }
        if let scalar { return scalar.string }
        guard takesList, let sequence else { return nil }
        var parts: [String] = []
        for element in sequence {
            guard let text = element.scalar?.string, !text.utf8.contains(UInt8(ascii: ",")) else {
                return nil
            }
            parts.append(text)
        }
        return parts.joined(separator: ", ")
    }
}

/// Returns the line, if known, and a one-line description of an error of Yams.
private func position(of error: any Error) -> (line: Int?, problem: String) {
    switch error {
    case YamlError.scanner(let context, let problem, let mark, _),
        YamlError.parser(let context, let problem, let mark, _),
        YamlError.composer(let context, let problem, let mark, _):
        let tab = problem.contains("cannot start any token") ? "; indent with spaces, not tabs" : ""
        return (mark.line, (context.map { "\(problem) \($0.text)" } ?? problem) + tab)
    case YamlError.reader(let problem, let offset, _, let yaml):
        return (offset.map { yaml.utf8.prefix($0).count { $0 == UInt8(ascii: "\n") } + 1 }, problem)
    case YamlError.duplicatedKeysInMapping(let duplicates, let context):
        return (context.mark.line, "given twice: \(duplicates.joined(separator: ", "))")
    case YamlError.dataCouldNotBeDecoded:
        return (nil, "not UTF-8")
    default:
        return (nil, "\(error)")
    }
}

/// Returns the system's error message, without Foundation's sentence around it.
func reason(for error: any Error) -> String {
    let underlying = (error as NSError).userInfo[NSUnderlyingErrorKey] as? NSError
    let posix = [underlying, error as NSError].compactMap(\.self)
        .first { $0.domain == NSPOSIXErrorDomain }
    return posix.map { String(cString: strerror(Int32($0.code))) } ?? error.localizedDescription
}
