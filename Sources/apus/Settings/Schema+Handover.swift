/// The key of the hand-over to a successor.
extension Schema {
    static let handover: [Key] = [
        Key(
            "server.handover", SocketPath(), \.handover,
            """
            The path of a Unix-domain socket by which the next process with the same path takes \
            over the listening sockets. This process then drains its connections.
            """)
    ]
}
