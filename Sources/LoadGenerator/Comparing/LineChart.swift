import Foundation

/// A chart of lines over a logarithmic axis, as SVG.
///
/// The background is transparent; the greys and hues are legible on white and on black.
package struct LineChart: Sendable {
    package struct Series: Sendable {
        package var name: String
        package var points: [Point]
        /// The number of the line's hue, the same in every chart.
        package var hue: Int

        package init(name: String, points: [Point], hue: Int) {
            self.name = name
            self.points = points
            self.hue = hue
        }
    }

    package struct Point: Sendable {
        package enum Mark: Sendable {
            case dot
            /// A lower bound of the value: a ring.
            case atLeast
            /// A value too large or too small to be shown: a triangle at the upper or lower edge.
            case top, bottom
        }

        package var x: Double
        /// The value; it has no meaning at an edge.
        package var y: Double
        package var mark: Mark

        package init(_ x: Double, _ y: Double, _ mark: Mark = .dot) {
            self.x = x
            self.y = y
            self.mark = mark
        }

        var isAtEdge: Bool { mark == .top || mark == .bottom }
    }

    package var title: String
    /// The line below the title.
    package var subtitle: String
    package var series: [Series]
    /// Whether the y axis is logarithmic. A linear one begins at 0.
    package var isLogarithmic: Bool
    /// The text of a value on an axis.
    package var xText: @Sendable (Double) -> String
    package var yText: @Sendable (Double) -> String

    package init(
        title: String, subtitle: String, series: [Series], isLogarithmic: Bool,
        xText: @escaping @Sendable (Double) -> String,
        yText: @escaping @Sendable (Double) -> String
    ) {
        self.title = title
        self.subtitle = subtitle
        // A logarithmic axis can't show zero or negative values, so they are left out.
        self.series = series.map { one in
            Series(
                name: one.name,
                points: one.points.filter {
                    $0.x > 0 && ($0.isAtEdge || !isLogarithmic || $0.y > 0)
                },
                hue: one.hue)
        }.filter { !$0.points.isEmpty }
        self.isLogarithmic = isLogarithmic
        self.xText = xText
        self.yText = yText
    }

    private static let width = 760.0
    private static let height = 420.0
    private static let left = 84.0
    private static let right = 170.0
    private static let top = 74.0
    private static let bottom = 44.0
    private static let ink = "#7d8590"
    private static let hues = ["#3b82f6", "#f97316", "#10b981", "#a855f7", "#ef4444", "#eab308"]
    private static let labelGap = 16.0

    package var svg: String {
        let all = series.flatMap(\.points)
        guard let xs = Self.range(all.map(\.x)),
            let ys = yRange(all.filter { !$0.isAtEdge }.map(\.y))
        else {
            return Self.frame(title, head)
        }
        var body = head
        for tick in yTicks(ys) {
            let y = Self.number(place(y: tick, in: ys))
            let end = Self.number(Self.width - Self.right)
            body += """
                <line x1="\(Self.number(Self.left))" y1="\(y)" x2="\(end)" y2="\(y)" \
                stroke="\(Self.ink)" stroke-opacity="0.25"/>

                """
            body += Self.text(yText(tick), x: Self.left - 8, y: place(y: tick, in: ys) + 4, "end")
        }
        for tick in Set(all.map(\.x)).sorted() {
            body += Self.text(
                xText(tick), x: place(x: tick, in: xs), y: Self.height - Self.bottom + 20, "middle")
        }
        for one in series { body += line(one, hue: Self.hue(one), xs, ys) }
        return Self.frame(title, body + labels(xs, ys))
    }

    private var head: String {
        Self.text(title, x: 20, y: 30, "start", size: 17, weight: 600)
            + Self.text(subtitle, x: 20, y: 51, "start", size: 12)
    }

    private func line(
        _ one: Series, hue: String, _ xs: ClosedRange<Double>, _ ys: ClosedRange<Double>
    ) -> String {
        let places = one.points.map { (place(x: $0.x, in: xs), place($0, in: ys), $0.mark) }
        let path = places.map { "\(Self.number($0.0)),\(Self.number($0.1))" }
            .joined(separator: " ")
        let dots = places.map { Self.mark($0.2, x: $0.0, y: $0.1, hue: hue) }.joined()
        return """
            <polyline points="\(path)" fill="none" stroke="\(hue)" stroke-width="2.5" \
            stroke-linejoin="round"/>

            """ + dots
    }

    private static func mark(_ mark: Point.Mark, x: Double, y: Double, hue: String) -> String {
        switch mark {
        case .dot, .atLeast:
            let paint =
                mark == .dot
                ? "fill=\"\(hue)\"" : "fill=\"none\" stroke=\"\(hue)\" stroke-width=\"2\""
            let radius = mark == .dot ? "3.5" : "5"
            return "<circle cx=\"\(number(x))\" cy=\"\(number(y))\" r=\"\(radius)\" \(paint)/>\n"
        case .top, .bottom:
            // The tip points beyond the edge.
            let tip = mark == .top ? -9.0 : 9
            let corners = [(x - 6, y), (x + 6, y), (x, y + tip)]
            let text = corners.map { "\(number($0.0)),\(number($0.1))" }.joined(separator: " ")
            return "<polygon points=\"\(text)\" fill=\"\(hue)\"/>\n"
        }
    }

    private static func hue(_ one: Series) -> String { hues[one.hue % hues.count] }

    /// Returns each line's name at the line's end. Names that would overlap are moved apart.
    private func labels(_ xs: ClosedRange<Double>, _ ys: ClosedRange<Double>) -> String {
        var ends = series.map { one in
            (name: one.name, hue: Self.hue(one), y: place(one.points.last!, in: ys) + 4)
        }.sorted { $0.y < $1.y }
        for index in ends.indices.dropFirst() {
            ends[index].y = max(ends[index].y, ends[index - 1].y + Self.labelGap)
        }
        return ends.map { end in
            Self.text(
                end.name, x: Self.width - Self.right + 10, y: end.y, "start", size: 13,
                weight: 600, fill: end.hue)
        }.joined()
    }

    // MARK: - Scales

    private static func range(_ values: [Double]) -> ClosedRange<Double>? {
        guard let least = values.min(), let most = values.max() else { return nil }
        return least == most ? least / 2...most * 2 : least...most
    }

    private func yRange(_ values: [Double]) -> ClosedRange<Double>? {
        guard let most = values.max() else {
            // There are only points at edges.
            return series.isEmpty ? nil : isLogarithmic ? 1...1_000 : 0...1
        }
        if !isLogarithmic { return 0...(Self.linearTicks(most).last ?? 1) }
        return Self.range(values).map { pow(10, floor(log10($0.lowerBound)))...$0.upperBound }
    }

    private func yTicks(_ range: ClosedRange<Double>) -> [Double] {
        guard isLogarithmic else { return Self.linearTicks(range.upperBound) }
        var tick = range.lowerBound
        var ticks: [Double] = []
        // With few decades, there is room for labels between them.
        let steps: [Double] = range.upperBound / range.lowerBound > 300 ? [1] : [1, 2, 5]
        while tick <= range.upperBound {
            ticks += steps.map { $0 * tick }.filter { $0 <= range.upperBound * 1.000_1 }
            tick *= 10
        }
        return ticks
    }

    /// Returns ticks from 0 to `most` or a little more, in four to eight round steps.
    static func linearTicks(_ most: Double) -> [Double] {
        guard most > 0, most.isFinite else { return [0, 1] }
        let rough = most / 5
        let unit = pow(10, floor(log10(rough)))
        let step = [1, 2, 2.5, 5, 10].map { $0 * unit }.first { $0 >= rough * 0.999_9 } ?? rough
        return (0...Int((most / step).rounded(.up))).map { Double($0) * step }
    }

    private func place(x: Double, in range: ClosedRange<Double>) -> Double {
        let share = log(x / range.lowerBound) / log(range.upperBound / range.lowerBound)
        return Self.left + share * (Self.width - Self.left - Self.right)
    }

    private func place(y: Double, in range: ClosedRange<Double>) -> Double {
        let share =
            isLogarithmic
            ? log(y / range.lowerBound) / log(range.upperBound / range.lowerBound)
            : y / range.upperBound
        return Self.height - Self.bottom - share * (Self.height - Self.top - Self.bottom)
    }

    private func place(_ point: Point, in range: ClosedRange<Double>) -> Double {
        switch point.mark {
        case .dot, .atLeast: place(y: point.y, in: range)
        case .top: Self.top
        case .bottom: Self.height - Self.bottom
        }
    }

    // MARK: - SVG

    private static func number(_ value: Double) -> String { String(format: "%.1f", value) }

    private static func text(
        _ text: String, x: Double, y: Double, _ anchor: String, size: Int = 12, weight: Int = 400,
        fill: String = ink
    ) -> String {
        """
        <text x="\(number(x))" y="\(number(y))" text-anchor="\(anchor)" font-size="\(size)" \
        font-weight="\(weight)" fill="\(fill)">\(escaped(text))</text>

        """
    }

    private static func frame(_ title: String, _ body: String) -> String {
        """
        <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \(Int(width)) \(Int(height))" \
        width="\(Int(width))" height="\(Int(height))" role="img" \
        font-family="system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif">
        <title>\(escaped(title))</title>
        \(body)</svg>

        """
    }

    static func escaped(_ text: String) -> String {
        text.replacingOccurrences(of: "&", with: "&amp;")
            .replacingOccurrences(of: "<", with: "&lt;")
            .replacingOccurrences(of: ">", with: "&gt;")
            .replacingOccurrences(of: "\"", with: "&quot;")
    }
}
