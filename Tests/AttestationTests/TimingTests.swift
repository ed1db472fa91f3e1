import ChoraleBase
import Foundation
import TestSupport
import Testing

@testable import Attestation

/// Prints what verification costs, with `CHORALE_TIMINGS=1`: a measurement and no check, because the
/// machine that runs tests is never quiet.
@Suite(
    .enabled(if: AttestationVectors.isPresent, "\(Vectors.absence)"),
    .enabled(if: Timings.areWanted, "set CHORALE_TIMINGS=1 for measurements"))
struct TimingTests {
    @Test func costs() throws {
        let verifier = AttestationVerifier()
        for (folder, name) in [
            ("intel", "sgx-v3-00606a-a@2025-08"), ("intel", "tdx-v4-b0c06f-a@2025-06"),
            ("intel", "tdx-v5-90c06f-a@2026-02"), ("amd", "milan-vcek-2"),
            ("amd", "milan-vlek-1"), ("nitro", "prod-userdata"),
        ] {
            let json = try AttestationVectors.named(name, folder, "vectors")
            let evidence = try AttestationVectors.evidence(json, folder)
            let collateral = try AttestationVectors.collateral(json, folder)
            let now = try AttestationVectors.time(json["now"].string)
            try Timings.print("\(name), collateral each time") {
                _ = try verifier.verify(evidence, with: collateral, now: now)
            }
            guard case .intel(let intel) = collateral else { continue }
            let checked = try verifier.check(intel)
            try Timings.print("\(name), collateral checked before") {
                _ = try verifier.verify(evidence, with: checked, now: now)
            }
        }
    }
}

enum Timings {
    static let areWanted = ProcessInfo.processInfo.environment["CHORALE_TIMINGS"] == "1"

    /// The best and the median of a hundred, in CPU time of this thread: others run beside it.
    static func print(_ what: String, _ body: () throws -> Void) rethrows {
        var times: [Duration] = []
        for _ in 0..<100 {
            let start = threadTime()
            try body()
            times.append(threadTime() - start)
        }
        times.sort()
        Swift.print("\(what): best \(times[0]), median \(times[50])")
    }

    private static func threadTime() -> Duration {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
    }
}
