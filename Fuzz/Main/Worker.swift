import ChoraleBase
import Foundation
import FuzzTargets
import Glibc

/// Runs one target in a process of its own until the time is over, or it traps.
struct Worker {
    let target: FuzzTarget
    let seconds: Double
    let seed: UInt64
    let corpus: String
    let crashFile: CrashFile

    struct Result: Codable {
        var executions = 0
        var features = 0
        var corpus = 0
        var slowest = 0
        var seconds = 0.0
    }

    private static func cpuMicroseconds() -> Int {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return time.tv_sec * 1_000_000 + time.tv_nsec / 1000
    }

    func run() -> Result {
        var result = Result()
        var seen: Set<UInt64> = []
        var kept: [[UInt8]] = []
        var findings = Findings()
        var mixed = FNV()
        mixed.add(target.name)
        var mutator = Mutator(
            random: DeterministicRandom(seed: seed ^ mixed.value), sizeMax: target.sizeMax)
        let clock = ContinuousClock()
        let start = clock.now
        let deadline = start.advanced(by: .milliseconds(Int(seconds * 1000)))

        func run(_ input: [UInt8], keepAlways: Bool) {
            crashFile.write(input)
            findings.reset()
            let before = Self.cpuMicroseconds()
            target.run(input, &findings)
            result.slowest = max(result.slowest, Self.cpuMicroseconds() - before)
            result.executions += 1
            var isNew = false
            for feature in findings.features where seen.insert(feature).inserted { isNew = true }
            // Beyond this a target's findings are noise, and would only fill memory.
            if keepAlways || (isNew && kept.count < 4096) { kept.append(input) }
        }

        for input in inputs() { run(input, keepAlways: true) }
        if kept.isEmpty { run([], keepAlways: true) }
        while clock.now < deadline {
            for _ in 0..<8 { run(mutator.input(from: kept), keepAlways: false) }
        }
        result.features = seen.count
        result.corpus = kept.count
        let elapsed = start.duration(to: clock.now).components
        result.seconds = Double(elapsed.seconds) + Double(elapsed.attoseconds) / 1e18
        return result
    }

    /// The target's own seeds, then the files of its folder in the order of their names.
    private func inputs() -> [[UInt8]] {
        let folder = corpus + "/" + target.name
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        return target.seeds()
            + names.sorted().compactMap {
                FileManager.default.contents(atPath: folder + "/" + $0).map { [UInt8]($0) }
            }
    }
}
