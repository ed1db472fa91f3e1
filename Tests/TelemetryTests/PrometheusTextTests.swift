import Testing

@testable import Telemetry

@Suite struct PrometheusTextTests {
    private enum Direction: String, CaseIterable { case inbound, outbound }
    private enum Reason: CaseIterable { case limitReached, timeout }

    @Test func aSnapshotIsWrittenInItsOrder() {
        var snapshot = MetricsSnapshot()
        snapshot.counter(
            "chorale_swarm_connections_total", "Connections that were opened",
            [
                MetricSample(MetricLabel("direction", Direction.inbound), value: .integer(.max)),
                MetricSample(
                    MetricLabel("direction", Direction.outbound),
                    MetricLabel("reason", caseOf: Reason.limitReached), value: .integer(0)),
            ])
        snapshot.gauge("chorale_loop_lag_seconds", "How late the loop is", 0.1)
        snapshot.counter("chorale_gossip_messages_total", "Messages", 7)
        let expected = """
            # HELP chorale_swarm_connections_total Connections that were opened
            # TYPE chorale_swarm_connections_total counter
            chorale_swarm_connections_total{direction="inbound"} 18446744073709551615
            chorale_swarm_connections_total{direction="outbound",reason="limitReached"} 0
            # HELP chorale_loop_lag_seconds How late the loop is
            # TYPE chorale_loop_lag_seconds gauge
            chorale_loop_lag_seconds 0.1
            # HELP chorale_gossip_messages_total Messages
            # TYPE chorale_gossip_messages_total counter
            chorale_gossip_messages_total 7

            """
        let text = PrometheusText.encode(snapshot)
        #expect(text == expected)
    }

    @Test func aHistogramIsCumulativeAndItsBoundsAreInclusive() {
        var histogram = Histogram(bounds: [0.25, 1, 4])
        for value in [0, 0.25, 0.5, 1, 8, 16] { histogram.observe(value) }
        #expect(histogram.counts == [2, 2, 0, 2])
        var snapshot = MetricsSnapshot()
        snapshot.histogram("chorale_store_write_seconds", "Time of a write", histogram)
        let expected = """
            # HELP chorale_store_write_seconds Time of a write
            # TYPE chorale_store_write_seconds histogram
            chorale_store_write_seconds_bucket{le="0.25"} 2
            chorale_store_write_seconds_bucket{le="1"} 4
            chorale_store_write_seconds_bucket{le="4"} 4
            chorale_store_write_seconds_bucket{le="+Inf"} 6
            chorale_store_write_seconds_sum 25.75
            chorale_store_write_seconds_count 6

            """
        let text = PrometheusText.encode(snapshot)
        #expect(text == expected)
    }

    @Test func whatHasAMeaningInTheFormatIsEscaped() {
        var snapshot = MetricsSnapshot()
        snapshot.gauge(
            "chorale_a_b", "a \\ and \"quotes\"\r\nand a line",
            [MetricSample(MetricLabel("label", constant: "a\\b\"c\nd"), value: .real(1))])
        let lines = PrometheusText.encode(snapshot).utf8.split(separator: UInt8(ascii: "\n"))
            .map { String(Substring($0)) }
        #expect(
            lines == [
                #"# HELP chorale_a_b a \\ and "quotes""# + "\r" + #"\nand a line"#,
                "# TYPE chorale_a_b gauge",
                #"chorale_a_b{label="a\\b\"c\nd"} 1"#,
            ])
    }

    @Test(
        arguments: [
            (0, "0"), (-0.0, "-0"), (1, "1"), (-2.5, "-2.5"), (0.1, "0.1"),
            (1.0 / 3, "0.3333333333333333"),
            (1e21, "1e+21"), (.leastNonzeroMagnitude, "5e-324"), (.infinity, "+Inf"),
            (-.infinity, "-Inf"),
            (.nan, "NaN"), (123_456_789, "123456789"),
        ] as [(Double, String)])
    func numbersAreExact(value: Double, text: String) {
        #expect(PrometheusText.number(value) == text)
        if !value.isNaN, value.isFinite { #expect(Double(text) == value) }
    }

    @Test(
        arguments: [
            ("chorale_swarm_connections_total", .counter, true),
            ("chorale_swarm_connections", .gauge, true),
            ("chorale_loop_lag_seconds", .histogram, true),
            ("chorale_swarm_connections", .counter, false),
            ("chorale_swarm_connections_total", .gauge, false),
            ("chorale_total", .counter, false),
            ("chorale_lag", .gauge, false),
            ("other_loop_lag", .gauge, false),
            ("chorale_Loop_lag", .gauge, false),
            ("chorale_loop__lag", .gauge, false),
            ("chorale_loop_lag_", .gauge, false),
            ("chorale_loop_lag-seconds", .gauge, false),
            ("", .gauge, false),
        ] as [(String, MetricFamily.Kind, Bool)])
    func namesFollowTheRule(name: String, kind: MetricFamily.Kind, isValid: Bool) {
        #expect(MetricFamily.isValid(name, kind: kind) == isValid)
    }
}
