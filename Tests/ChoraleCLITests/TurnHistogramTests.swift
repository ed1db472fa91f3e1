import DriverUV
import Telemetry
import Testing

@testable import ChoraleCLI

/// Turns of the loop as a collector gets them.
@Suite struct TurnHistogramTests {
    @Test func everyTurnIsInTheBucketOfItsLength() throws {
        var durations = DurationHistogram()
        let lengths: [Int64] = [0, 1000, 163_839, 163_840, 1_000_000, 9_000_000, 536_870_911]
        for length in lengths + [536_870_912, 60_000_000_000] {
            durations.record(nanoseconds: length)
        }
        let histogram = Histogram(durations)
        #expect(histogram.count == 9)
        // The three that are at most the first bound, and the two above the last.
        #expect(histogram.counts.first == 3)
        #expect(histogram.counts.last == 2)
        for length in lengths.dropFirst(3) {
            let seconds = Double(length) / 1e9
            let bucket = try #require(histogram.bounds.firstIndex { $0 >= seconds })
            #expect(histogram.counts[bucket] == 1, "\(length) ns")
            #expect(histogram.bounds[bucket] < 1.26 * seconds, "\(length) ns")
        }
        #expect(abs(histogram.sum - 61.084) < 0.001)
    }
}
