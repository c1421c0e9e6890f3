import WebSocketServer

/// The keys about the load from which on new connections are refused.
extension Schema {
    static let overload: [Key] = [
        Key(
            "overload.enabled", Choice.flag, \.server.overload.isEnabled,
            """
            Whether to refuse new connections while the server is overloaded, before the open ones \
            suffer.
            """),
        Key(
            "overload.loop_lag", RangedSettings.overloadLoopLag, zero: "off",
            """
            The time by which an event loop may be late. A loop that is later refuses new \
            connections; at four times this, it closes them at once.
            """),
        Key(
            "overload.onset", RangedSettings.overloadOnset,
            "The time for which a loop must be late before it refuses connections."),
        Key(
            "overload.memory", RangedSettings.overloadMemory,
            zero: "nine tenths of the memory of the machine or control group",
            """
            The resident memory of the process from which on new connections are refused; a tenth \
            above it, they are closed at once.
            """),
        Key(
            "overload.descriptors", RangedSettings.overloadFreeDescriptors,
            zero: "from RLIMIT_NOFILE",
            """
            The number of file descriptors that must be free. With fewer, new connections are \
            refused.
            """),
        Key(
            "overload.recovery", RangedSettings.overloadRecovery,
            """
            The time for which the load must be low before connections are accepted again. \
            Refused clients are asked to wait for one to three times as long.
            """),
    ]
}
