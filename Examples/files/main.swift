// A page and its files, and the WebSocket that the page opens.
//
//     swift run example-files [PORT] [FOLDER]
//
// Then open http://127.0.0.1:8080/ in two windows.
import WebSocketServer

let arguments = CommandLine.arguments
let port = arguments.count > 1 ? Int(arguments[1]) ?? 8080 : 8080
let folder = arguments.count > 2 ? arguments[2] : "Examples/files/public"
var configuration = ServerConfiguration(address: .hostname("127.0.0.1", port: port))
configuration.handlesSignals = true

var router = Router()
// `/` is `index.html`. Only files within the folder are served, and none whose name begins with a
// dot. Clients ask whether a file has changed before they use their copy.
try router.files("/", from: folder) { $0.cacheControl = "no-cache" }
// A literal path takes precedence over the files. A page of another origin is refused with 403.
router.webSocket("/board") { connection in
    connection.subscribe(to: "board")
    for try await message in connection.messages { connection.publish(message, to: "board") }
}

try await Server(configuration: configuration, router: router).run()
