// uWebSockets: an echo at /echo, and /broadcast, where each message goes to all who are connected.
//
//   uwebsockets PORT none|deflate|prepared|dedicated
//
// Compression with the shared compressor and decompressor, as its documentation recommends;
// `prepared` compresses a broadcast once for all, by publishPrepared; `dedicated` has a compressor
// for each connection, which takes its context over.
#include "App.h"

#include <cstdlib>
#include <string>
#include <string_view>

namespace {

struct Nothing {};

using Socket = uWS::WebSocket<false, true, Nothing>;

constexpr unsigned largest = 16 << 20;
constexpr const char *topic = "all";

}  // namespace

int main(int count, char **arguments) {
    if (count != 3) return 64;
    const int port = std::atoi(arguments[1]);
    const std::string mode = arguments[2];
    const bool compresses = mode != "none";
    const bool prepares = mode == "prepared";
    const auto compression = static_cast<uWS::CompressOptions>(
        mode == "dedicated" ? uWS::DEDICATED_COMPRESSOR_256KB | uWS::DEDICATED_DECOMPRESSOR
        : compresses        ? uWS::SHARED_COMPRESSOR | uWS::SHARED_DECOMPRESSOR
                            : uWS::DISABLED);

    uWS::App app;
    app.ws<Nothing>("/echo", {
        .compression = compression,
        .maxPayloadLength = largest,
        .idleTimeout = 0,
        .maxBackpressure = 4 * largest,
        .message = [compresses](Socket *socket, std::string_view message, uWS::OpCode kind) {
            socket->send(message, kind, compresses);
        },
    });
    app.ws<Nothing>("/broadcast", {
        .compression = compression,
        .maxPayloadLength = largest,
        .idleTimeout = 0,
        .maxBackpressure = 4 * largest,
        .open = [](Socket *socket) { socket->subscribe(topic); },
        .message = [&app, compresses, prepares](
                       Socket *, std::string_view message, uWS::OpCode kind) {
            if (prepares) {
                auto prepared = uWS::Loop::get()->prepareMessage(message, kind, true);
                app.publishPrepared(topic, prepared);
            } else {
                app.publish(topic, message, kind, compresses);
            }
        },
    });
    app.listen("127.0.0.1", port, [](auto *listener) {
        if (!listener) std::exit(1);
    });
    app.run();
}
