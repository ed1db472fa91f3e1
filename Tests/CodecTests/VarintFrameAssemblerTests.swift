import ChoraleBase
import Codec
import Testing

@Suite struct VarintFrameAssemblerTests {
    /// The frames of a stream that arrives in `pieces`, and how it ended.
    struct Outcome: Equatable {
        var frames: [[UInt8]] = []
        var error: FramingError?
    }

    static func read(_ pieces: [[UInt8]], frameSizeMax: Int) -> Outcome {
        var assembler = VarintFrameAssembler(frameSizeMax: frameSizeMax)
        var outcome = Outcome()
        var arrived = 0
        do throws(FramingError) {
            for piece in pieces {
                arrived += piece.count
                var offset = 0
                while let frame = try assembler.next(in: piece.span, from: &offset) {
                    switch frame {
                    case .inPlace(let range): outcome.frames.append(Array(piece[range]))
                    case .assembled(let bytes): outcome.frames.append(bytes)
                    }
                }
                #expect(offset == piece.count)
                #expect(assembler.bufferedSize <= min(2 * arrived, frameSizeMax))
            }
            try assembler.end()
        } catch {
            outcome.error = error
            #expect(assembler.bufferedSize == 0)
            var offset = 0
            let nothing: [UInt8] = []
            let again = #expect(throws: FramingError.self) {
                try assembler.next(in: nothing.span, from: &offset)
            }
            #expect(again == error, "an error is final")
        }
        return outcome
    }

    static let stream: [UInt8] =
        VarintFrame.encoded([1, 2, 3]) + VarintFrame.encoded([])
        + VarintFrame.encoded([UInt8](repeating: 7, count: 300)) + VarintFrame.encoded([9])
    static let frames: [[UInt8]] = [[1, 2, 3], [], [UInt8](repeating: 7, count: 300), [9]]

    @Test func wholeStreamIsNotCopied() throws {
        var assembler = VarintFrameAssembler(frameSizeMax: 300)
        var offset = 0
        var ranges: [Range<Int>] = []
        while let frame = try assembler.next(in: Self.stream.span, from: &offset) {
            guard case .inPlace(let range) = frame else {
                Issue.record("copied: \(frame)")
                return
            }
            ranges.append(range)
        }
        #expect(ranges == [1..<4, 5..<5, 7..<307, 308..<309])
        #expect(assembler.isBetweenFrames)
        #expect(assembler.bufferedSize == 0)
    }

    @Test func splitAtEveryByte() {
        for cut in 0...Self.stream.count {
            let pieces = [Array(Self.stream.prefix(cut)), Array(Self.stream.dropFirst(cut))]
            #expect(Self.read(pieces, frameSizeMax: 300) == Outcome(frames: Self.frames))
        }
    }

    @Test(arguments: [1, 2, 3, 7, 64, 299])
    func inPiecesOf(size: Int) {
        let pieces = stride(from: 0, to: Self.stream.count, by: size).map {
            Array(Self.stream[$0..<min($0 + size, Self.stream.count)])
        }
        #expect(Self.read(pieces, frameSizeMax: 300) == Outcome(frames: Self.frames))
    }

    @Test func truncatedAtEveryByte() {
        let boundaries: Set<Int> = [0, 4, 5, 307, 309]
        for cut in 0...Self.stream.count {
            let outcome = Self.read([Array(Self.stream.prefix(cut))], frameSizeMax: 300)
            guard !boundaries.contains(cut) else {
                #expect(outcome.error == nil)
                continue
            }
            let start = boundaries.filter { $0 < cut }.max() ?? 0
            #expect(outcome.error == .endedInsideFrame(arrived: cut - start), "cut at \(cut)")
        }
    }

    struct Refused: Sendable, CustomTestStringConvertible {
        let name: String
        let bytes: [UInt8]
        let error: FramingError
        var testDescription: String { name }
    }

    static let refused: [Refused] = [
        Refused(name: "a zero of two bytes", bytes: [0x80, 0x00], error: .lengthNotMinimal),
        Refused(name: "a one of two bytes", bytes: [0x81, 0x00, 7], error: .lengthNotMinimal),
        Refused(
            name: "ten bytes of length", bytes: Array(repeating: 0xFF, count: 9) + [0x01],
            error: .lengthTooLong),
        Refused(
            name: "the greatest length", bytes: Array(repeating: 0xFF, count: 8) + [0x7F],
            error: .frameTooLarge(length: .max >> 1, limit: 300)),
        Refused(
            name: "one byte over the limit", bytes: [0xAD, 0x02, 1, 2, 3],
            error: .frameTooLarge(length: 301, limit: 300)),
    ]

    /// The error is the same however the stream is cut, and the frames before it are delivered.
    @Test(arguments: refused) func refuses(_ row: Refused) {
        let stream = VarintFrame.encoded([5]) + row.bytes
        let expected = Outcome(frames: [[5]], error: row.error)
        #expect(Self.read([stream], frameSizeMax: 300) == expected)
        #expect(Self.read(stream.map { [$0] }, frameSizeMax: 300) == expected)
    }

    /// A claim of 16 MiB holds no more memory than the few bytes that came.
    @Test func aClaimReservesNothing() throws {
        var assembler = VarintFrameAssembler(frameSizeMax: 16 << 20)
        var offset = 0
        let claim = Varint.encoded(16 << 20) + [1, 2, 3]
        let frame = try assembler.next(in: claim.span, from: &offset)
        #expect(frame == nil)
        #expect(assembler.bufferedSize == 3)
        #expect(!assembler.isBetweenFrames)
    }

    @Test(arguments: UInt64(0)..<32) func randomFramesInRandomPieces(seed: UInt64) {
        var random = DeterministicRandom(seed: seed)
        var frames: [[UInt8]] = []
        var stream: [UInt8] = []
        for _ in 0..<20 {
            let size = Int(random.next() % 2_000)
            let frame = (0..<size).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            frames.append(frame)
            VarintFrame.append(frame.span, to: &stream)
        }
        var pieces: [[UInt8]] = []
        var rest = stream[...]
        while !rest.isEmpty {
            let piece = rest.prefix(1 + Int(random.next() % 700))
            pieces.append(Array(piece))
            rest = rest.dropFirst(piece.count)
        }
        #expect(Self.read(pieces, frameSizeMax: 2_000) == Outcome(frames: frames))
    }
}
