import CLibuv
import TLSFilter

/// Sending through a transport: the bytes of a stream as records.
extension TLSTransport {
    /// Sends bytes in records.
    ///
    /// - Parameter isLast: Whether no others follow at once.
    func send(_ bytes: UnsafeRawBufferPointer, isLast: Bool) -> Int {
        guard phase == .open, let session else {
            return phase == .failed ? Int(UV_EPIPE.rawValue) : Int(UV_EAGAIN.rawValue)
        }
        var taken = 0
        defer { moreFollows = false }
        while taken < bytes.count {
            let rest = unsafe UnsafeRawBufferPointer(rebasing: bytes[taken...])
            moreFollows = !isLast || rest.count > TLSSession.recordSize
            let count = unsafe session.write(rest)
            if count <= 0 {
                if count == TLSSession.wouldBlock {
                    block(.writable, crosses: !session.waitsForOutput)
                }
                return taken > 0 ? taken : (count == 0 ? Int(UV_EPIPE.rawValue) : count)
            }
            taken += count
        }
        return taken
    }

    /// Sends parts as few records: small parts are gathered.
    func sendGathered(_ parts: UnsafeMutableBufferPointer<iovec>) -> Int {
        let total = unsafe parts.reduce(0) { unsafe $0 + $1.iov_len }
        return unsafe withUnsafeTemporaryAllocation(
            byteCount: TLSSession.recordSize, alignment: 16
        ) { record in
            var (taken, index, offset) = (0, 0, 0)
            while taken < total {
                var gathered = 0
                while index < parts.count, gathered < record.count {
                    let part = unsafe UnsafeRawBufferPointer(
                        start: parts[index].iov_base, count: parts[index].iov_len)
                    if gathered == 0, part.count - offset >= record.count { break }
                    let count = min(record.count - gathered, part.count - offset)
                    unsafe UnsafeMutableRawBufferPointer(rebasing: record[gathered...]).copyMemory(
                        from: UnsafeRawBufferPointer(rebasing: part[offset..<(offset + count)]))
                    gathered += count
                    offset += count
                    if offset == part.count { (index, offset) = (index + 1, 0) }
                }
                let piece: UnsafeRawBufferPointer
                if gathered > 0 {
                    unsafe piece = UnsafeRawBufferPointer(rebasing: record[..<gathered])
                } else {
                    let part = unsafe UnsafeRawBufferPointer(
                        start: parts[index].iov_base, count: parts[index].iov_len)
                    unsafe piece = UnsafeRawBufferPointer(rebasing: part[offset...])
                    (index, offset) = (index + 1, 0)
                }
                let count = unsafe send(piece, isLast: taken + piece.count == total)
                if count < 0 { return taken > 0 ? taken : count }
                taken += count
                if count < piece.count { break }
            }
            return taken
        }
    }
}
