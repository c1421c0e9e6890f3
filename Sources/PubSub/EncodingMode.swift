/// How publications are compressed for a subscriber.
package enum EncodingMode: UInt8 {
    /// Not at all.
    case plain
    /// By frames that refer to nothing before them, the same for all.
    case standalone
    /// By frames that refer to earlier publications, the same for all with the same context.
    case shared
    /// By the connection's own context.
    case ownContext
}
