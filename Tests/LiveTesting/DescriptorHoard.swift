import Glibc

/// All descriptors of the process except one for a client's socket, so that accepting fails. Only
/// for a process that ends with the test, because it lowers RLIMIT_NOFILE to 256.
public struct DescriptorHoard {
    private let client: Int32
    private let copies: [Int32]

    /// Takes the descriptors, then connects the client to a port of 127.0.0.1. So one connection
    /// waits to be accepted.
    public init(connectedTo port: UInt16) {
        client = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var limit = rlimit()
        unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        limit.rlim_cur = 256
        unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        var copies: [Int32] = []
        while case let copy = dup(client), copy >= 0 { copies.append(copy) }
        self.copies = copies
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_port = port.bigEndian
        name.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let connected = unsafe withUnsafeBytes(of: &name) {
            unsafe Glibc.connect(
                client, $0.baseAddress!.assumingMemoryBound(to: sockaddr.self),
                socklen_t($0.count))
        }
        precondition(connected == 0)
    }

    /// Releases the descriptors. The client stays connected.
    public func release() { for copy in copies { Glibc.close(copy) } }

    public func closeClient() { Glibc.close(client) }
}
