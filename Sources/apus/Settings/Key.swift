/// One configuration key: its name, kind, default and place in the settings. All keys are read
/// once, at the start.
///
/// To add one, add it to ``Schema/keys``; reading, validation, suggestions, `config defaults`
/// and its Markdown table follow.
struct Key: Sendable {
    /// As in `limits.message.max`: sections and dots, words joined by underscores.
    let name: String
    /// What the key means, in one or a few sentences of Markdown that has code spans only. The
    /// allowed values are printed after it.
    let summary: String
    /// The allowed values in words.
    let accepted: String
    /// The default in canonical form.
    let initial: String
    /// Whether the value must never be printed.
    let isSecret: Bool

    private let read: @Sendable (String, inout SettingsDraft) throws(Rejection) -> Void
    private let text: @Sendable (SettingsDraft) -> String

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
        self.read = { (text, draft) throws(Rejection) in
            draft[keyPath: path] = try kind.parse(text)
        }
        self.text = { kind.write($0[keyPath: path]) }
    }

    /// `APUS_LIMITS_MESSAGE_MAX` for `limits.message.max`.
    var environmentVariable: String {
        "APUS_" + name.uppercased().map { $0 == "." ? "_" : String($0) }.joined()
    }

    /// Puts the value that `text` stands for into `draft`, or leaves `draft` alone and throws.
    func set(_ text: String, in draft: inout SettingsDraft) throws(Rejection) {
        try read(text, &draft)
    }

    /// The value in `draft` in canonical form; may be a secret.
    func value(in draft: SettingsDraft) -> String { text(draft) }

    /// `value` in a form that may be printed.
    func shown(_ value: String) -> String {
        if isSecret { return "<secret>" }
        return value.isEmpty ? "\"\"" : value
    }
}
