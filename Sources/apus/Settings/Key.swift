import WebSocketServer

/// One configuration key: its name, kind, default and place in the settings. All keys are read at
/// the start, and again by each reload.
///
/// To add one, add it to ``Schema/keys``, and the effect of its changes to ``Effect``. Reading,
/// validation, suggestions, `config defaults` and its Markdown table follow.
struct Key: Sendable {
    /// The name, such as `limits.message.max`: sections separated by dots, words joined by
    /// underscores.
    let name: String
    /// The meaning of the key, in one or a few sentences of Markdown without markup other than code
    /// spans. The allowed values are printed after it.
    let summary: String
    /// The allowed values in words.
    let accepted: String
    /// The default in canonical form.
    let initial: String
    /// Whether the value must never be printed.
    let isSecret: Bool

    /// Whether the value may also be a list in a YAML file.
    let takesList: Bool

    /// The name of the library's setting with the same range, if there is one.
    let setting: String?

    private let read: @Sendable (String, inout SettingsDraft) throws(Rejection) -> Void
    private let text: @Sendable (SettingsDraft) -> String
    private let equals: @Sendable (SettingsDraft, SettingsDraft) -> Bool
    private let carry: @Sendable (SettingsDraft, inout SettingsDraft) -> Void

    init<K: Kind>(
        _ name: String, _ kind: K,
        _ path: any WritableKeyPath<SettingsDraft, K.Value> & Sendable, _ summary: String,
        isSecret: Bool = false
    ) {
        self.name = name
        self.summary = summary
        self.accepted = kind.accepted
        self.initial = kind.write(SettingsDraft()[keyPath: path])
        self.isSecret = isSecret
        self.takesList = kind is any ListKind
        self.setting = nil
        self.read = { (text, draft) throws(Rejection) in
            draft[keyPath: path] = try kind.parse(text)
        }
        self.text = { kind.write($0[keyPath: path]) }
        self.equals = { $0[keyPath: path] == $1[keyPath: path] }
        self.carry = { $1[keyPath: path] = $0[keyPath: path] }
    }

    /// Creates the key of a setting of the library, with its range, default and place.
    ///
    /// - Parameter zero: The meaning of zero, which is read as `nil`, if the setting may be `nil`.
    init<Value: RangedValue>(
        _ name: String, _ setting: RangedSetting<Value>, zero meaning: String? = nil,
        _ summary: String
    ) {
        precondition(setting.isOptional == (meaning != nil))
        let kind = setting.kind
        let optional = kind.orZero(meaning ?? "")
        self.name = name
        self.summary = summary
        self.accepted = setting.isOptional ? optional.accepted : kind.accepted
        self.initial = optional.write(setting.value(ServerConfiguration()))
        self.isSecret = false
        self.takesList = false
        self.setting = setting.name
        self.read = { (text, draft) throws(Rejection) in
            let value = setting.isOptional ? try optional.parse(text) : try kind.parse(text)
            setting.set(value, &draft.server)
        }
        self.text = { optional.write(setting.value($0.server)) }
        self.equals = { setting.value($0.server) == setting.value($1.server) }
        self.carry = { setting.set(setting.value($0.server), &$1.server) }
    }

    /// The environment variable: `APUS_LIMITS_MESSAGE_MAX` for `limits.message.max`.
    var environmentVariable: String {
        "APUS_" + name.uppercased().map { $0 == "." ? "_" : String($0) }.joined()
    }

    /// Parses `text` and puts its value into `draft`. On an error, throws and leaves `draft`
    /// unchanged.
    func set(_ text: String, in draft: inout SettingsDraft) throws(Rejection) {
        try read(text, &draft)
    }

    /// Returns the value in `draft` in canonical form, which may be a secret.
    func value(in draft: SettingsDraft) -> String { text(draft) }

    /// Returns whether both drafts have the same value, secrets and all.
    func isEqual(in draft: SettingsDraft, _ other: SettingsDraft) -> Bool { equals(draft, other) }

    /// Copies the value of one draft to another.
    func copy(from draft: SettingsDraft, to other: inout SettingsDraft) { carry(draft, &other) }

    /// Returns `value` in a form that may be printed.
    func shown(_ value: String) -> String {
        if value.isEmpty { return "\"\"" }
        return isSecret ? "<secret>" : value
    }
}
