/// Doubly linked lists that share one array of nodes, so that appending and removing take constant
/// time and allocate nothing once the array has grown.
struct LinkedLists<Element> {
    /// The ends of one list.
    struct List {
        fileprivate(set) var first: Int32 = none
        fileprivate var last: Int32 = none

        var isEmpty: Bool { first == none }
    }

    private var nodes: [LinkedNode<Element>] = []
    /// The first of the free nodes, which are linked by `next`.
    private var firstFree: Int32 = none

    /// Returns the element at an index that ``append(_:to:)`` returned; `nil` once it is removed.
    subscript(index: Int32) -> Element? { nodes[Int(index)].element }

    /// Appends an element to a list, and returns its index.
    mutating func append(_ element: Element, to list: inout List) -> Int32 {
        let node = LinkedNode(element: element, previous: list.last)
        let index: Int32
        if firstFree == none {
            index = Int32(nodes.count)
            nodes.append(node)
        } else {
            index = firstFree
            firstFree = nodes[Int(index)].next
            nodes[Int(index)] = node
        }
        if list.last == none { list.first = index } else { nodes[Int(list.last)].next = index }
        list.last = index
        return index
    }

    /// Removes the element at an index from the list that it is in.
    mutating func remove(_ index: Int32, from list: inout List) {
        let (previous, next) = (nodes[Int(index)].previous, nodes[Int(index)].next)
        if previous == none { list.first = next } else { nodes[Int(previous)].next = next }
        if next == none { list.last = previous } else { nodes[Int(next)].previous = previous }
        nodes[Int(index)] = LinkedNode(element: nil, next: firstFree)
        firstFree = index
    }
}

/// The index that stands for none.
private let none: Int32 = -1

/// One node of ``LinkedLists``; not nested in it, which Swift 6.3 miscompiles.
private struct LinkedNode<Element> {
    var element: Element?
    var previous: Int32 = none
    var next: Int32 = none
}
