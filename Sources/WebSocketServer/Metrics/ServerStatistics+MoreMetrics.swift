/// The metrics of topics, compression, TLS and event loops.
extension ServerStatistics {
    func addTopics(to list: inout MetricList) {
        let counts = counters.topics
        list.gauge("topics", "Topics with subscribers.", topics)
        list.gauge("topic_subscriptions", "Subscriptions.", counts.subscriptions)
        list.counter(
            "topic_publications_total",
            "Publications that reached an event loop with subscribers, counted for each loop.",
            counts.publications)
        list.counter(
            "topic_deliveries_total", "Messages sent to subscribers for publications.",
            counts.deliveries)
        list.counter(
            "topic_publications_delayed_total",
            "Publications that had to wait for a slow consumer, counted for each.",
            counts.delayed)
        list.counter(
            "topic_publications_dropped_total",
            "Publications that were dropped for a slow consumer, counted for each.",
            counts.dropped)
        list.counter(
            "topic_publications_conflated_total",
            "Waiting publications that a later one of the same key replaced.", counts.conflated)
        list.gauge(
            "slow_consumers", "Connections for which publications wait.", slowConsumers)
        list.counter(
            "slow_consumers_disconnected_total", "Disconnected slow consumers.",
            counters.slowConsumers)
        list.gauge(
            "broker_ready", "1 if the broker accepts and delivers publications, else 0.",
            broker.isReady ? 1 : 0)
        list.counter(
            "broker_gaps_total",
            "The number of times that subscriptions were lost or publications dropped.",
            counters.brokerGaps)
        list.counter(
            "broker_gap_connections_closed_total", "Connections closed because of a gap.",
            counters.closedForGaps)
        list.counter(
            "broker_publications_refused_total",
            "Publications of connections that the broker refused.", counters.publicationsRefused)
    }

    func addCompression(to list: inout MetricList) {
        let counts = counters.compression
        list.counter(
            "compression_negotiated_total", "Connections that negotiated compression.",
            counts.agreed)
        list.counter(
            "compression_contexts_refused_total",
            "Connections that got no context takeover because the memory for it was spent.",
            counts.contextsRefused)
        list.gauge(
            "compression_contexts", "Contexts, each of one direction of a connection.",
            counts.contexts)
        list.gauge("compression_context_bytes", "Memory of contexts.", counts.contextBytes)
        list.gauge(
            "compression_shared_contexts", "Contexts that subscribers share.",
            counts.sharedContexts)
        list.gauge(
            "compression_shared_context_bytes", "Memory of shared contexts.",
            counts.sharedContextBytes)
        list.gauge(
            "compression_codec_bytes", "Memory of compressors, decompressors and buffers.",
            counts.codecBytes)
        list.counter(
            "compression_messages_deflated_total",
            "Compressed messages. A publication counts once for each encoding.",
            counts.messagesDeflated)
        list.counter(
            "compression_deflate_input_bytes_total", "Bytes before compression.",
            counts.bytesBeforeDeflate)
        list.counter(
            "compression_deflate_output_bytes_total", "Bytes after compression.",
            counts.bytesAfterDeflate)
        list.counter(
            "compression_messages_incompressible_total",
            "Messages sent uncompressed because compression did not make them smaller.",
            counts.messagesSentIncompressible)
        list.counter(
            "compression_messages_inflated_total", "Decompressed messages.",
            counts.messagesInflated)
        list.counter(
            "compression_inflate_input_bytes_total", "Bytes before decompression.",
            counts.bytesBeforeInflate)
        list.counter(
            "compression_inflate_output_bytes_total", "Bytes after decompression.",
            counts.bytesAfterInflate)
        list.add(
            .counter, "compression_duration_seconds_total",
            "Time spent compressing and decompressing.",
            [.init(.number(Double(counts.codecNanoseconds) / 1e9))])
    }

    func addTLS(to list: inout MetricList) {
        let counts = counters.tls
        list.counter(
            "tls_handshakes_total",
            "TLS handshakes by result. An error that ends a session later counts as failed, too.",
            by: "result",
            [
                ("completed", counts.completed), ("failed", counts.failed),
                ("plain_text", counts.plainText), ("evicted", counts.evicted),
            ])
        list.counter(
            "tls_sessions_resumed_total", "Completed handshakes that resumed a session.",
            counts.resumed)
        list.gauge(
            "tls_handshakes_in_progress", "TLS handshakes in progress.", tlsHandshakesInProgress)
        list.histogram(
            "tls_handshake_duration_seconds",
            "Time from the first to the last byte of completed TLS handshakes.", tlsHandshakes)
    }

    func addLoops(to list: inout MetricList) {
        func add(
            _ kind: MetricFamily.Kind, _ name: String, _ help: String,
            _ value: (LoopStatistics) -> MetricFamily.Value
        ) {
            list.add(
                kind, name, help,
                loops.enumerated().map { .init(value($0.element), by: [("loop", "\($0.offset)")]) })
        }
        add(.gauge, "loop_lag_seconds", "Time that the event loop took to answer the scrape.") {
            .number($0.lag / .seconds(1))
        }
        add(.counter, "loop_cpu_seconds_total", "Processor time of the event loop's thread.") {
            .number($0.cpuTime / .seconds(1))
        }
        add(
            .histogram, "loop_turn_duration_seconds",
            "Time from the end of one wait for events to the next wait, to the millisecond."
        ) { .times($0.turns) }
        add(.gauge, "loop_websocket_connections", "Open WebSocket connections of the loop.") {
            .integer($0.webSockets)
        }
        add(.gauge, "loop_memory_bytes", "Bytes that peers make the loop hold.") {
            .integer($0.memoryHeld)
        }
        add(.gauge, "loop_tasks", "Running tasks of async handlers, requests and upgrades.") {
            .integer($0.tasks)
        }
        add(.gauge, "loop_jobs_pending", "Jobs that wait for the loop's next turn.") {
            .integer($0.pendingJobs)
        }
        add(
            .gauge, "loop_connections_waiting",
            "Connections with received bytes that wait for a turn with time left."
        ) { .integer($0.waitingForTurn) }
    }
}
