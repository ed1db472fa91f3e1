import ChoraleBase
import ChoraleTypes
import Codec
import Testing

@testable import Consensus

@Suite struct SigningGuardTests {
    static let signature = SignatureBytes([UInt8](repeating: 5, count: 64))!

    static func position(_ height: UInt64, _ round: UInt32, _ step: ConsensusStep)
        -> SigningPosition
    {
        SigningPosition(height: height, round: round, step: step)
    }

    static var used: SigningGuard {
        var guardian = SigningGuard(freshFrom: 0)
        guardian.signed(
            position(5, 2, .prevote), messageHash: World.block("a"), signature: signature)
        return guardian
    }

    @Test func onlyLaterPlacesAreSigned() {
        let later: [SigningPosition] = [
            Self.position(5, 2, .precommit), Self.position(5, 3, .propose),
            Self.position(6, 0, .propose), Self.position(.max, .max, .precommit),
        ]
        for position in later {
            #expect(Self.used.decide(position, messageHash: World.block("b")) == .sign)
        }
        let earlier = [
            Self.position(5, 2, .propose), Self.position(5, 1, .precommit),
            Self.position(4, 9, .precommit), Self.position(0, 0, .propose),
        ]
        for position in earlier {
            #expect(
                Self.used.decide(position, messageHash: World.block("a"))
                    == .refuse(.pastPosition(position, last: Self.position(5, 2, .prevote))))
        }
    }

    @Test func theSameBytesGiveTheSameSignature() {
        let place = Self.position(5, 2, .prevote)
        #expect(
            Self.used.decide(place, messageHash: World.block("a")) == .reuse(Self.signature))
        #expect(
            Self.used.decide(place, messageHash: World.block("b"))
                == .refuse(.otherMessage(place)))
    }

    @Test func recordsRoundTripAndEveryFlippedBitIsFound() throws {
        for guardian in [Self.used, SigningGuard(freshFrom: 0), SigningGuard(freshFrom: 77)] {
            let record = guardian.record
            #expect(record.count == SigningGuard.recordSize)
            #expect(try SigningGuard(record: record) == guardian)
            for position in record.indices {
                for bit in 0..<8 {
                    var flipped = record
                    flipped[position] ^= 1 << UInt8(bit)
                    #expect(throws: SigningGuard.OpenError.self) {
                        try SigningGuard(record: flipped)
                    }
                }
            }
            for size in 0..<record.count {
                #expect(
                    throws: SigningGuard.OpenError.wrongSize(size, expected: record.count)
                ) { try SigningGuard(record: Array(record.prefix(size))) }
            }
        }
    }

    @Test func aUsedKeyWithoutStateIsRefused() throws {
        #expect(throws: SigningGuard.OpenError.missing) {
            try SigningGuard(stored: nil, keyIsNew: false, resetHeight: nil)
        }
        let new = try SigningGuard(stored: nil, keyIsNew: true, resetHeight: nil)
        #expect(new.decide(Self.position(1, 0, .propose), messageHash: .zero) == .sign)
        let reset = try SigningGuard(stored: nil, keyIsNew: false, resetHeight: 9)
        #expect(reset.decide(Self.position(9, 0, .propose), messageHash: .zero) == .sign)
        #expect(reset.decide(Self.position(8, 7, .precommit), messageHash: .zero) != .sign)
        // The height given raises the floor and never lowers it.
        let kept = try SigningGuard(stored: Self.used.record, keyIsNew: false, resetHeight: 3)
        #expect(kept == Self.used)
        let raised = try SigningGuard(stored: Self.used.record, keyIsNew: false, resetHeight: 8)
        #expect(raised == SigningGuard(freshFrom: 8))
        // A state that is there counts, even for a key said to be new.
        let both = try SigningGuard(stored: Self.used.record, keyIsNew: true, resetHeight: nil)
        #expect(both == Self.used)
    }
}
