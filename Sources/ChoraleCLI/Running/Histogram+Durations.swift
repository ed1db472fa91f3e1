import DriverUV
import Telemetry

extension Histogram {
    /// What a loop counted, in seconds: from a sixth of a millisecond to half a second in steps of at most
    /// a quarter, so that percentiles of any interval can be had from two readings.
    init(_ durations: DurationHistogram) {
        // Upper bounds of buckets 64 to 111.
        let kept = 64..<112
        var counts = [durations.counts[...kept.lowerBound].reduce(0, &+)]
        counts += durations.counts[(kept.lowerBound + 1)..<kept.upperBound]
        counts.append(durations.counts[kept.upperBound...].reduce(0, &+))
        self.init(
            bounds: kept.map { Double(DurationHistogram.upperBound(ofBucket: $0)) / 1e9 },
            counts: counts, sum: Double(durations.sumNanoseconds) / 1e9)
    }
}
