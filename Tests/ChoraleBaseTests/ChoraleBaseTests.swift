import ChoraleBase
import Testing

@Suite struct VarintTests {
    @Test(
        arguments: [
            (0, [0]), (127, [0x7F]), (128, [0x80, 1]), (300, [0xAC, 2]),
            (UInt64.max >> 1, [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F]),
        ] as [(UInt64, [UInt8])])
    func roundTrips(value: UInt64, bytes: [UInt8]) throws {
        #expect(Varint.encoded(value) == bytes)
        #expect(Varint.encodedSize(value) == bytes.count)
        #expect(try Varint.decode(bytes.span) == .init(value: value, size: bytes.count))
        for length in 0..<bytes.count {
            #expect(try Varint.decode(bytes.span.extracting(first: length)) == nil)
        }
    }

    @Test func refusesPaddedAndOverlong() {
        #expect(throws: Varint.DecodeError.notMinimal) { try Varint.decode([0x81, 0].span) }
        let overlong = [UInt8](repeating: 0x80, count: 9) + [1]
        #expect(throws: Varint.DecodeError.tooLong) { try Varint.decode(overlong.span) }
    }
}

@Suite struct DeterministicRandomTests {
    @Test func sequenceIsPinned() {
        var random = DeterministicRandom(seed: 0)
        let first = random.next()
        let second = random.next()
        // Reference: xoshiro256** seeded by SplitMix64(0), as in the authors' C code.
        #expect(first == 0x99EC_5F36_CB75_F2B4)
        #expect(second == 0xBF6E_1F78_4956_452A)
    }

    @Test(arguments: UInt64(0)..<16) func sampleIsDistinctAndBounded(seed: UInt64) {
        var random = DeterministicRandom(seed: seed)
        let sample = random.sample(Array(0..<50), count: 20)
        let all = random.sample([1, 2], count: 5)
        #expect(sample.count == 20)
        #expect(Set(sample).count == 20)
        #expect(all.sorted() == [1, 2])
    }
}

@Suite struct TokenBucketTests {
    @Test func tellsWhatIsUsed() {
        var bucket = TokenBucket(capacity: 4, interval: .seconds(1), now: .zero)
        #expect(bucket.used(now: .zero) == 0)
        let isTaken = bucket.take(3, now: .zero)
        #expect(isTaken && bucket.used(now: .zero) == 3)
        #expect(bucket.used(now: .zero.advanced(by: .milliseconds(1500))) == 2)
        #expect(bucket.used(now: .zero.advanced(by: .seconds(9))) == 0)
    }

    @Test func refillsAtItsRateAndNoFaster() {
        var bucket = TokenBucket(capacity: 2, interval: .milliseconds(100), now: .zero)
        let taken = (0..<3).map { _ in bucket.take(now: .zero) }
        #expect(taken == [true, true, false])
        let ready = bucket.readyAt(now: .zero)
        #expect(ready == MonotonicInstant(nanoseconds: 100_000_000))
        let early = bucket.take(now: MonotonicInstant(nanoseconds: 99_999_999))
        let onTime = bucket.take(now: MonotonicInstant(nanoseconds: 100_000_000))
        #expect(!early)
        #expect(onTime)
        let never = bucket.readyAt(3, now: MonotonicInstant(nanoseconds: .max / 2))
        #expect(never == nil)
    }
}

@Suite struct InstantTests {
    @Test func farDeadlinesSaturate() {
        let late = MonotonicInstant(nanoseconds: .max - 1).advanced(by: .seconds(10))
        #expect(late.nanoseconds == .max)
        #expect(Duration.seconds(Int64.max).wholeNanoseconds == .max)
    }
}
