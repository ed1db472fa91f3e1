import ChoraleBase
import ChoraleTypes
import Codec
import Testing

private typealias Fixture = ConsensusFixture

/// Round trip, every truncation, and every flipped bit.
private func checkCodec<Value: SSZCodable & Equatable>(_ value: Value, sizeMax: Int) throws {
    let bytes = value.sszEncoded()
    #expect(bytes.count <= sizeMax)
    let decoded = try Value(ssz: bytes.span)
    #expect(decoded == value)
    for size in stride(from: 0, to: bytes.count, by: bytes.count > 600 ? 7 : 1) {
        let prefix = Array(bytes.prefix(size))
        let shorter = try? Value(ssz: prefix.span)
        // Some prefixes are other values: a signature may be shorter.
        if let shorter { #expect(shorter.sszEncoded() == prefix) }
    }
    for position in stride(from: 0, to: bytes.count, by: bytes.count > 600 ? 5 : 1) {
        for bit in 0..<8 {
            var flipped = bytes
            flipped[position] ^= 1 << UInt8(bit)
            let other = try? Value(ssz: flipped.span)
            #expect(other != value)
            if let other { #expect(other.sszEncoded() == flipped) }
        }
    }
}

@Suite struct ConsensusContainerTests {
    @Test func votesRoundTrip() throws {
        try checkCodec(Fixture.vote(1), sizeMax: Vote.encodedSizeMax)
        try checkCodec(Fixture.vote(2, .prevote, block: nil), sizeMax: Vote.encodedSizeMax)
    }

    @Test func proposalsRoundTrip() throws {
        try checkCodec(Fixture.proposal(1), sizeMax: Proposal.encodedSizeMax)
        try checkCodec(Fixture.proposal(1, validRound: 0), sizeMax: Proposal.encodedSizeMax)
        try checkCodec(Fixture.proposal(1, validRound: 1), sizeMax: Proposal.encodedSizeMax)
    }

    @Test func commitsRoundTrip() throws {
        try checkCodec(Fixture.commit([0, 3, 6]), sizeMax: Commit.encodedSizeMax)
    }

    @Test func evidenceRoundTrips() throws {
        let votes = try #require(
            Evidence.DuplicateVote(Fixture.vote(1), Fixture.vote(1, block: nil)))
        let proposals = try #require(
            Evidence.DuplicateProposal(
                Fixture.proposal(1), Fixture.proposal(1, validRound: 0)))
        for evidence in [Evidence.duplicateVote(votes), .duplicateProposal(proposals)] {
            try checkCodec(evidence, sizeMax: Evidence.encodedSizeMax)
            #expect(evidence.validator == ValidatorIndex(1))
            #expect(evidence.height == 5)
            #expect(evidence.round == 2)
            try evidence.verify(validators: Fixture.validators, network: Fixture.network)
        }
    }

    @Test func validatorSetsRoundTrip() throws {
        let bytes = Fixture.validators.sszEncoded()
        let decoded = try ValidatorSet(ssz: bytes.span)
        #expect(decoded == Fixture.validators)
        #expect(decoded.validators == Fixture.validators.validators)
        #expect(throws: SSZError.invalidValue("validators: empty")) {
            try ValidatorSet(ssz: [UInt8]().span)
        }
    }

    @Test func blocksRoundTripAndHoldTogether() throws {
        let pair = try #require(
            Evidence.DuplicateVote(Fixture.vote(1), Fixture.vote(1, block: nil)))
        let block = Fixture.block(
            evidence: [.duplicateVote(pair)], lastCommit: Fixture.commit([1, 4, 5, 6]))
        try checkCodec(block, sizeMax: ConsensusBlock.encodedSizeMax)
        #expect(block.id == block.header.hashTreeRoot)
        #expect(ConsensusBlock(header: block.header, body: Fixture.block().body) == nil)
        let reference = ContentReference(kind: .proof, size: 1, root: .zero)!
        #expect(
            BlockBody(
                lastCommit: nil, evidence: [], references: Array(repeating: reference, count: 65))
                == nil)
        #expect(ContentReference(kind: .proof, size: 0, root: .zero) == nil)
        #expect(
            ContentReference(kind: .proof, size: ContentReference.sizeMax + 1, root: .zero) == nil)
    }

    @Test func theLargestBlockKeepsToItsBound() throws {
        let signature = SignatureBytes([UInt8](repeating: 1, count: 96))!
        var bits = ValidatorBits(count: 1024)!
        for index in 0..<1024 { bits[index] = true }
        let commit = try #require(
            Commit(
                height: 5, round: 2, blockID: Fixture.root("block"), scheme: .ed25519,
                signers: bits, signatures: Array(repeating: signature, count: 1024)))
        #expect(commit.sszEncoded().count == Commit.encodedSizeMax)
        func proposal(_ block: String) -> Proposal {
            Proposal(
                content: ProposalContent(
                    height: 5, round: 2, validRound: nil, blockID: Fixture.root(block)),
                proposer: ValidatorIndex(1), scheme: .ed25519, signature: signature)
        }
        let pair = try #require(Evidence.DuplicateProposal(proposal("a"), proposal("b")))
        let evidence = Evidence.duplicateProposal(pair)
        #expect(evidence.sszEncoded().count == Evidence.encodedSizeMax)
        let block = Fixture.block(
            evidence: Array(repeating: evidence, count: 16), lastCommit: commit)
        let size = block.sszEncoded().count
        #expect(size <= ConsensusBlock.encodedSizeMax)
        #expect(ConsensusBlock.encodedSizeMax < 256 * 1024)
    }
}

@Suite struct ConsensusBoundTests {
    /// The bytes of a vote, with parts replaced.
    static func vote(_ replacements: [Int: [UInt8]]) -> [UInt8] {
        var bytes = Fixture.vote(1).sszEncoded()
        for (position, part) in replacements {
            bytes.replaceSubrange(position..<position + part.count, with: part)
        }
        return bytes
    }

    struct Refusal: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let bytes: [UInt8]
        let error: SSZError

        init(_ name: String, _ bytes: [UInt8], _ error: SSZError) {
            testDescription = name
            self.bytes = bytes
            self.error = error
        }
    }

    static let refusals = [
        Refusal("kind 0", vote([0: [0]]), .invalidValue("a vote of kind 0")),
        Refusal("kind 3", vote([0: [3]]), .invalidValue("a vote of kind 3")),
        Refusal(
            "height 0", vote([1: [UInt8](repeating: 0, count: 8)]), .invalidValue("height 0")),
        Refusal(
            "height 2^62 + 1", vote([1: [1, 0, 0, 0, 0, 0, 0, 0x40]]),
            .invalidValue("height \(UInt64(1) << 62 + 1)")),
        Refusal(
            "round 2^31", vote([9: [0, 0, 0, 0x80]]), .invalidValue("round 2147483648")),
        Refusal(
            "signature of 97 bytes", vote([:]) + [UInt8](repeating: 0, count: 33),
            .tooManyElements(found: 97, limit: 96)),
    ]

    @Test(arguments: refusals) func refuses(_ row: Refusal) {
        #expect(throws: row.error) { try Vote(ssz: row.bytes.span) }
    }

    @Test func theHighestRoundIsARound() throws {
        let vote = try Vote(ssz: Self.vote([9: [0xFF, 0xFF, 0xFF, 0x7F]]).span)
        #expect(vote.round == ConsensusBounds.roundMax)
    }

    @Test func aValidRoundIsEarlier() throws {
        var bytes = Fixture.proposal(1, round: 2, validRound: 1).sszEncoded()
        bytes[12] = 3
        #expect(throws: SSZError.invalidValue("valid round 2 in round 2")) {
            try Proposal(ssz: bytes.span)
        }
        bytes.replaceSubrange(12..<16, with: [0xFF, 0xFF, 0xFF, 0xFF])
        #expect(throws: SSZError.invalidValue("valid round 4294967294 in round 2")) {
            try Proposal(ssz: bytes.span)
        }
    }

    @Test func aCommitHasASignatureForEachBit() throws {
        var bits = ValidatorBits(count: 7)!
        bits[1] = true
        for signatures in [[], [Fixture.vote(1).signature, Fixture.vote(2).signature]] {
            let commit = Commit(
                height: 5, round: 2, blockID: Fixture.root("block"), scheme: .ed25519,
                signers: bits, signatures: signatures)
            #expect(commit == nil)
        }
        // The byte of bits is right behind the fixed part of 53 bytes.
        var bytes = Fixture.commit([1, 2]).sszEncoded()
        #expect(bytes[53] == 0b1000_0110)
        bytes[53] = 0b1000_1110
        #expect(throws: SSZError.invalidValue("2 signatures for 3 bits")) {
            try Commit(ssz: bytes.span)
        }
    }

    @Test func evidenceContradictsItself() throws {
        let vote = Fixture.vote(1)
        #expect(Evidence.DuplicateVote(vote, vote) == nil)
        #expect(Evidence.DuplicateVote(vote, Fixture.vote(2, block: nil)) == nil)
        #expect(Evidence.DuplicateVote(vote, Fixture.vote(1, .prevote, block: nil)) == nil)
        #expect(Evidence.DuplicateVote(vote, Fixture.vote(1, round: 3, block: nil)) == nil)
        #expect(Evidence.DuplicateVote(vote, Fixture.vote(1, height: 6, block: nil)) == nil)
        let pair = try #require(Evidence.DuplicateVote(vote, Fixture.vote(1, block: nil)))
        #expect(Evidence.DuplicateVote(pair.second, pair.first) == pair)
        let bytes = [0, 8, 0, 0, 0] + [UInt8](repeating: 0, count: 4)
        var swapped = Array(bytes.prefix(5))
        let (one, other) = (pair.second.sszEncoded(), pair.first.sszEncoded())
        swapped += [UInt8(8 + one.count), 0, 0, 0] + one + other
        #expect(throws: (any Error).self) { try Evidence(ssz: swapped.span) }
        #expect(throws: SSZError.invalidValue("evidence of kind 2")) {
            try Evidence(ssz: [2].span)
        }
    }
}
