import HTTPProtocol
import Testing

@Suite("HTTP dates that are received") struct HTTPDateParsingTests {
    private static let now = 1_700_000_000

    private func seconds(_ text: String) -> Int? {
        HTTPDate.seconds(of: ExactString(text), now: Self.now)
    }

    @Test("The standard's three forms are one date")
    func forms() {
        #expect(seconds("Sun, 06 Nov 1994 08:49:37 GMT") == 784_111_777)
        #expect(seconds("Sunday, 06-Nov-94 08:49:37 GMT") == 784_111_777)
        #expect(seconds("Sun Nov  6 08:49:37 1994") == 784_111_777)
    }

    @Test("What is written is read again, for every day from 1970 to 2400")
    func everyDay() {
        for day in 0..<157_054 {
            let time = day * 86_400 + day % 86_400
            guard seconds(HTTPDate.text(secondsSince1970: time)) != time else { continue }
            Issue.record("\(HTTPDate.text(secondsSince1970: time))")
            return
        }
    }

    @Test("A year of two digits lies at most 50 years in the future")
    func shortYears() {
        #expect(seconds("Friday, 01-Jan-70 00:00:00 GMT") == 3_155_760_000)
        #expect(seconds("Friday, 01-Jan-73 00:00:00 GMT") == 3_250_454_400)
        #expect(seconds("Friday, 01-Jan-74 00:00:00 GMT") == 126_230_400)
    }

    @Test(
        "Anything else is no date",
        arguments: [
            "", "0", "now", "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Nov 1994 08:49:37 CET",
            "Sun, 6 Nov 1994 08:49:37 GMT", "Sun, 31 Feb 1994 08:49:37 GMT",
            "Sun, 06 nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 24:00:00 GMT",
            "Sun, 06 Nov 1994 08:60:00 GMT", "Sun, 06 Nov 94 08:49:37 GMT",
            "Sun, 00 Nov 1994 08:49:37 GMT", "Son, 06 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1969 08:49:37 GMT", "Sun, 06 Nov 1994 08:49 GMT",
            "Sunday, 06-Nov-1994 08:49:37 GMT", "Sun, 06 Nov 1994 -1:49:37 GMT", "GMT GMT GMT GMT",
        ])
    func invalid(_ text: String) { #expect(seconds(text) == nil) }
}
