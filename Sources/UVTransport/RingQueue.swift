/// A queue, first in, first out: a ring of slots, from which elements are moved out.
///
/// It grows as needed, and keeps its memory until it is replaced.
public struct RingQueue<Element> {
    /// None, or as many as a power of two.
    @usableFromInline var slots: [Element?] = []
    @usableFromInline var head = 0
    @usableFromInline var filled = 0

    @inlinable public init() {}

    @inlinable public var count: Int { filled }
    @inlinable public var isEmpty: Bool { filled == 0 }
    /// The number of elements that fit without more memory.
    @inlinable public var capacity: Int { slots.count }

    @inlinable
    public mutating func append(_ element: Element) {
        if filled == slots.count { grow() }
        slots[(head &+ filled) & (slots.count &- 1)] = element
        filled &+= 1
    }

    /// The first element; `nil` if there is none.
    @inlinable public var first: Element? { filled > 0 ? slots[head] : nil }

    /// Moves the first element out; `nil` if there is none.
    @inlinable
    public mutating func popFirst() -> Element? {
        guard filled > 0 else { return nil }
        let element = slots[head].take()
        head = (head &+ 1) & (slots.count &- 1)
        filled &-= 1
        return element
    }

    /// Doubles the slots. All of them are in use.
    @usableFromInline
    mutating func grow() {
        let size = max(4, slots.count * 2)
        var larger: [Element?] = []
        larger.reserveCapacity(size)
        larger += slots[head...]
        larger += slots[..<head]
        while larger.count < size { larger.append(nil) }
        slots = larger
        head = 0
    }
}
