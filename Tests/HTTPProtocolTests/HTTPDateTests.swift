import Glibc
import HTTPProtocol
import Testing

@Suite("HTTP dates") struct HTTPDateTests {
    @Test("The standard's example")
    func example() {
        #expect(HTTPDate.text(secondsSince1970: 784_111_777) == "Sun, 06 Nov 1994 08:49:37 GMT")
        #expect(HTTPDate.text(secondsSince1970: 0) == "Thu, 01 Jan 1970 00:00:00 GMT")
        #expect(HTTPDate.text(secondsSince1970: 951_782_400) == "Tue, 29 Feb 2000 00:00:00 GMT")
        #expect(
            HTTPDate.text(secondsSince1970: 253_402_300_799) == "Fri, 31 Dec 9999 23:59:59 GMT")
    }

    @Test("The C library's dates, of every day from 1970 to 2400")
    func everyDay() {
        var buffer = [CChar](repeating: 0, count: 64)
        for day in 0..<157_054 {
            var time = time_t(day * 86_400 + day % 86_400)
            var parts = tm()
            gmtime_r(&time, &parts)
            let count = strftime(&buffer, buffer.count, "%a, %d %b %Y %H:%M:%S GMT", &parts)
            let expected = String(decoding: buffer[..<count].map(UInt8.init), as: UTF8.self)
            if HTTPDate.text(secondsSince1970: time) != expected {
                Issue.record("\(HTTPDate.text(secondsSince1970: time)) is not \(expected)")
                return
            }
        }
    }
}
