import CLibuv

/// The identity of a task: no other task has it before this one ends.
public struct TaskIdentity: Sendable, Equatable {
    private let word: UInt

    /// The identity of the task that runs on this thread; `nil` outside of tasks.
    public static var current: TaskIdentity? {
        let word = apus_task_word()
        return word == 0 ? nil : TaskIdentity(word: word)
    }
}
