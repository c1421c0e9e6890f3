import Logging

/// Taking a server out of service for a while, and back.
extension Server {
    /// Takes the server out of service until ``undrain()``: ``isDraining`` is true, and upgrades are
    /// refused with 503. Open connections and other requests are still served. Has no effect on a
    /// later stop. Any thread; may be called again.
    public func drain() { setDrained(true) }

    /// Ends ``drain()``. Any thread; may be called again.
    public func undrain() { setDrained(false) }
}
