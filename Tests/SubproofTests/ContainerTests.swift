import ChoraleBase
import ChoraleTypes
import Codec
import Testing

@testable import Subproof

/// Votes, certificates and evidence as bytes.
@Suite struct ContainerTests {
    static let context = World.operation("containers", validators: World.hundred, parts: 3)
    static let member = context.rules[1].order.members(of: .first)[0]
    static let valid = World.vote(context, 1, .valid, by: member, signs: true)
    static let reject = World.vote(context, 1, .reject(.proofFails), by: member, signs: true)
    static let certificate = World.certificate(
        context, 1, .valid, .first,
        by: Array(context.rules[1].order.members(of: .first).prefix(22)), signs: true)!
    static let rejecting = World.certificate(
        context, 1,
        .reject((0..<67).map { $0 % 2 == 0 ? .malformed : .proofFails }), .everyone,
        by: (0..<67).map { ValidatorIndex($0) }, signs: true)!
    static let claim = VoteOnProof(vote: reject, proofType: 64, proofSize: 40_000)!
    static let committeeVotes = ["a", "b"].map { name in
        World.committeeVote(
            CommitteeVoteContent(
                operation: context.operation, commitment: context.commitment,
                validatorsRoot: context.validators.root, outputHash: World.digest(name)),
            by: member, signs: true)
    }

    /// Three of them name another output.
    private static func falseOutput(_ tranche: Tranche) throws -> FalseOutputEvidence? {
        var bits = try #require(ValidatorBits(count: 100))
        for position in 0..<3 { bits[position] = true }
        let votes = (0..<3).map { position in
            World.committeeVote(
                committeeVotes[1].content, by: ValidatorIndex(position), signs: true)
        }
        let certificate = try #require(
            FastPathCertificate(
                content: committeeVotes[1].content, tranche: tranche, scheme: .ed25519,
                signers: bits, signatures: votes.map(\.signature)))
        return FalseOutputEvidence(committeeVotes[0], certificate)
    }

    @Test("only everyone's word makes an output false") func falseOutputs() throws {
        let (few, all) = (try Self.falseOutput(.second), try Self.falseOutput(.everyone))
        #expect(few == nil)
        let evidence = try #require(all)
        #expect(FalseOutputEvidence(Self.committeeVotes[1], evidence.certificate) == nil)
    }

    /// Whole, cut at every byte, with a byte more, and with each byte another: never a trap, and whatever
    /// is read has no other encoding.
    private func isCanonical<Value: SSZEncodable & SSZDecodable & Equatable>(
        _ value: Value, sizeMax: Int
    ) throws {
        let bytes = value.sszEncoded()
        #expect(bytes.count <= sizeMax)
        #expect(try Value(ssz: bytes.span) == value)
        for count in 0..<bytes.count {
            let cut = Array(bytes.prefix(count))
            if let other = try? Value(ssz: cut.span) { #expect(other.sszEncoded() == cut) }
        }
        for position in bytes.indices {
            var changed = bytes
            changed[position] ^= 0x11
            if let other = try? Value(ssz: changed.span) {
                #expect(other.sszEncoded() == changed && other != value)
            }
        }
    }

    @Test("votes keep to 1 KiB, and have one encoding") func votes() throws {
        #expect(SubProofVote.encodedSizeMax <= 1024 && CommitteeVote.encodedSizeMax <= 1024)
        try isCanonical(Self.valid, sizeMax: SubProofVote.encodedSizeMax)
        try isCanonical(Self.reject, sizeMax: SubProofVote.encodedSizeMax)
        try isCanonical(Self.committeeVotes[0], sizeMax: CommitteeVote.encodedSizeMax)
    }

    @Test("certificates keep to 32 KiB, and have one encoding") func certificates() throws {
        try isCanonical(Self.certificate, sizeMax: SubProofCertificate.gossipSizeMax)
        try isCanonical(Self.rejecting, sizeMax: SubProofCertificate.gossipSizeMax)
        let all = World.certificate(
            World.operation("large", validators: World.thousand, parts: 1), 0, .valid, .everyone,
            by: (0..<1000).map { ValidatorIndex($0) })!
        #expect(all.sszEncoded().count <= SubProofCertificate.encodedSizeMax)
    }

    @Test("evidence keeps to its limit, and has one encoding") func evidence() throws {
        let contradicted = try Self.falseOutput(.everyone)
        let falseOutput = try #require(contradicted)
        let all: [SubProofEvidence] = [
            .reject(RejectEvidence(Self.claim)!), .falseVerdict(FalseVerdictEvidence(Self.claim)),
            .equivocation(VerdictEquivocation(Self.reject, Self.valid)!),
            .outputEquivocation(
                OutputEquivocation(Self.committeeVotes[0], Self.committeeVotes[1])!),
            .falseOutput(falseOutput),
        ]
        for evidence in all {
            try isCanonical(evidence, sizeMax: SubProofEvidence.encodedSizeMax)
            #expect(evidence.validator == Self.member)
            #expect(evidence.operation == Self.context.operation)
            try evidence.verifySignatures(
                validators: World.hundred, network: World.network)
        }
        #expect(Set(all.map(\.hashTreeRoot)).count == all.count)
    }

    @Test("what contradicts nothing is no evidence, and no two orders of one pair") func pairs()
        throws
    {
        #expect(VerdictEquivocation(Self.valid, Self.valid) == nil)
        let other = World.vote(Self.context, 2, .reject(.malformed), by: Self.member)
        #expect(VerdictEquivocation(Self.valid, other) == nil)
        let reason = World.vote(Self.context, 1, .reject(.malformed), by: Self.member)
        #expect(VerdictEquivocation(Self.reject, reason) == nil, "two reasons are no contradiction")
        #expect(RejectEvidence(VoteOnProof(vote: Self.valid, proofType: 1, proofSize: 1)!) == nil)
        #expect(VoteOnProof(vote: Self.valid, proofType: 1, proofSize: 0) == nil)
        #expect(
            VoteOnProof(
                vote: Self.valid, proofType: 1, proofSize: SubProofBounds.proofSizeMax + 1) == nil)
        let pair = VerdictEquivocation(Self.reject, Self.valid)!
        #expect(pair == VerdictEquivocation(Self.valid, Self.reject))
        // The same pair the other way round, as bytes.
        var bytes: [UInt8] = [2]
        let (first, second) = (pair.reject.sszEncoded(), pair.valid.sszEncoded())
        bytes.appendLittleEndian(UInt32(8))
        bytes.appendLittleEndian(UInt32(8 + first.count))
        bytes += first + second
        #expect(throws: SSZError.self) { try SubProofEvidence(ssz: bytes.span) }
    }

    @Test("certificates that do not fit together are none") func misfits() {
        let context = Self.context
        #expect(World.certificate(context, 0, .valid, .first, by: []) == nil)
        let few = [ValidatorIndex(1), ValidatorIndex(2)]
        #expect(
            World.certificate(context, 0, .reject([.malformed, .malformed]), .first, by: few) == nil
        )
        #expect(
            World.certificate(context, 0, .reject([.malformed, .malformed]), .everyone, by: few)
                != nil)
        #expect(
            SubProofCertificate(
                id: Self.certificate.id, validatorsRoot: Self.certificate.validatorsRoot,
                verdict: .valid, tranche: .first, scheme: .ed25519,
                signers: Self.certificate.signers,
                signatures: Array(Self.certificate.signatures.dropLast())) == nil)
    }

    @Test("a certificate's votes are those it was made of") func votesOfCertificates() throws {
        for certificate in [Self.certificate, Self.rejecting] {
            for vote in certificate.votes {
                #expect(certificate.vote(of: vote.validator) == vote)
                try vote.verify(validators: World.hundred, network: World.network)
            }
        }
        #expect(Self.certificate.votes.count == 22)
        let silent = (0..<100).first { !Self.certificate.signers[$0] }!
        #expect(Self.certificate.vote(of: ValidatorIndex(silent)) == nil)
        #expect(Self.certificate.vote(of: ValidatorIndex(500)) == nil)
    }

    @Test("signatures mean one network, one set, one part, one proof and one verdict")
    func domains() {
        let vote = Self.valid
        func isGood(
            _ content: SubProofVoteContent, by validator: ValidatorIndex = Self.member,
            in set: ValidatorSet = World.hundred, network: NetworkDigest = World.network
        ) -> Bool {
            let moved = SubProofVote(
                content: content, validator: validator, scheme: .ed25519, signature: vote.signature)
            return (try? moved.verify(validators: set, network: network)) != nil
        }
        let id = vote.id
        let root = World.hundred.root
        func content(_ id: SubProofID?, _ verdict: SubProofVerdict = .valid) -> SubProofVoteContent
        {
            SubProofVoteContent(id: id!, validatorsRoot: root, verdict: verdict)
        }
        #expect(isGood(vote.content))
        #expect(!isGood(vote.content, network: NetworkDigest([5, 5, 5, 6])!))
        #expect(!isGood(vote.content, by: ValidatorIndex(Self.member.position ^ 1)))
        #expect(!isGood(vote.content, in: World.thousand))
        #expect(!isGood(content(id, .reject(.malformed))))
        #expect(
            !isGood(content(SubProofID(operation: World.digest("x"), part: 1, proof: id.proof))))
        #expect(!isGood(content(SubProofID(operation: id.operation, part: 2, proof: id.proof))))
        #expect(
            !isGood(content(SubProofID(operation: id.operation, part: 1, proof: World.digest("x"))))
        )
        // Nor does a vote of one kind mean anything as another.
        let committee = Self.committeeVotes[0]
        #expect(
            vote.content.signedMessage(network: World.network).starts(
                with: "chorale/subproof-vote/1".utf8))
        #expect(
            committee.content.signedMessage(network: World.network)
                .starts(with: "chorale/committee-vote/1".utf8))
    }

    @Test("a certificate is verified with the set, the order and its bytes alone")
    func verification() throws {
        let rule = Self.context.rules[1]
        try Self.certificate.verify(rule: rule, network: World.network)
        try Self.rejecting.verify(rule: rule, network: World.network)

        struct Refusal {
            let name: String
            let certificate: SubProofCertificate?
            let error: CertificateError
        }
        let members = rule.order.members(of: .first)
        let outsider = rule.order.members(of: .everyone)[40]
        let stranger = World.certificate(
            Self.context, 1, .valid, .first, by: Array(members.prefix(21)) + [outsider], signs: true
        )
        let forged = World.certificate(
            Self.context, 1, .valid, .first, by: Array(members.prefix(22)), signs: false)
        let lowest = members.prefix(22).min()!
        let refusals = [
            Refusal(
                name: "one signer too few",
                certificate: World.certificate(
                    Self.context, 1, .valid, .first, by: Array(members.prefix(21))),
                error: .notEnough(
                    VoteWeight(count: 21, stake: 21), of: VoteWeight(count: 32, stake: 32), .first)),
            Refusal(
                name: "a signer who is not asked", certificate: stranger,
                error: .notAsked(outsider, .first)),
            Refusal(
                name: "half of the second tranche",
                certificate: World.certificate(
                    Self.context, 1, .valid, .second, by: (0..<50).map { ValidatorIndex($0) }),
                error: .notEnough(
                    VoteWeight(count: 50, stake: 50), of: VoteWeight(count: 100, stake: 100),
                    .second)),
            Refusal(
                name: "two thirds of everyone and no more",
                certificate: World.certificate(
                    Self.context, 1, .valid, .everyone, by: (0..<66).map { ValidatorIndex($0) }),
                error: .notEnough(
                    VoteWeight(count: 66, stake: 66), of: VoteWeight(count: 100, stake: 100),
                    .everyone)),
            Refusal(
                name: "signatures that are none", certificate: forged,
                error: .signature(.signature(.badSignature(lowest)))),
        ]
        for refusal in refusals {
            let certificate = try #require(refusal.certificate)
            #expect(throws: refusal.error, "\(refusal.name)") {
                try certificate.verify(rule: rule, network: World.network)
            }
        }
        // Those of another part are asked in another order.
        #expect(throws: CertificateError.self) {
            try Self.certificate.verify(rule: Self.context.rules[2], network: World.network)
        }
        let large = World.operation("containers", validators: World.thousand, parts: 3)
        #expect(throws: CertificateError.wrongBitCount(100, validators: 1000)) {
            try Self.certificate.verify(rule: large.rules[1], network: World.network)
        }
    }

    @Test("heads and stake are both counted, and of everyone stake alone") func stakes() throws {
        // The first has half of everything.
        let set = World.validators([99] + [UInt64](repeating: 1, count: 99))
        let seed = (0...).lazy.map { World.digest("\($0)") }.first {
            PartOrder(seed: $0, count: 100).isAsked(ValidatorIndex(0), in: .first)
        }!
        let rule = QuorumRule(validators: set, order: PartOrder(seed: seed, count: 100))
        #expect(rule.total(of: .first) == VoteWeight(count: 32, stake: 99 + 31))
        #expect(!rule.accepts(VoteWeight(count: 1, stake: 99), in: .first), "one rich member")
        #expect(!rule.accepts(VoteWeight(count: 31, stake: 31), in: .first), "31 poor ones")
        #expect(rule.accepts(VoteWeight(count: 22, stake: 99 + 21), in: .first))
        #expect(!rule.accepts(VoteWeight(count: 99, stake: 99), in: .everyone))
        #expect(rule.accepts(VoteWeight(count: 34, stake: 99 + 34), in: .everyone))
        #expect(
            !rule.accepts(VoteWeight(count: 33, stake: 99 + 33), in: .everyone), "just two thirds")
    }

    @Test("rows come back as they were, and at no other place", arguments: 0..<7) func rows(
        kind: Int
    ) throws {
        let contents: [SubproofRow.Content] = [
            .voteIntent(Self.valid.content), .vote(Self.valid), .certificate(Self.certificate),
            .evidence(.reject(RejectEvidence(Self.claim)!)),
            .committeeIntent(Self.committeeVotes[0].content),
            .committeeVote(Self.committeeVotes[0]),
            .fastPath(
                FastPathCertificate(
                    content: Self.committeeVotes[0].content, tranche: .first, scheme: .ed25519,
                    signers: Self.certificate.signers, signatures: Self.certificate.signatures)!),
        ]
        let row = SubproofRow(height: 0x0102_0304, content: contents[kind])
        let (key, value) = (row.key, row.value)
        #expect(key.count == SubproofRow.keySize)
        #expect(Array(key.prefix(9)) == [0, 0, 0, 0, 1, 2, 3, 4, UInt8(kind + 1)])
        #expect(try SubproofRow(key: key.span, value: value.span) == row)
        #expect(row.needsSync == [0, 4].contains(kind))
        var other = key
        other[20] ^= 1
        #expect(throws: SubproofRow.ReadError.otherKey) {
            try SubproofRow(key: other.span, value: value.span)
        }
        other = key
        other[8] = 9
        #expect(throws: SubproofRow.ReadError.unknownKind(9)) {
            try SubproofRow(key: other.span, value: value.span)
        }
        #expect(throws: SubproofRow.ReadError.keySize(76, expected: 77)) {
            try SubproofRow(key: Array(key.dropLast()).span, value: value.span)
        }
        #expect(throws: SubproofRow.ReadError.self) {
            try SubproofRow(key: key.span, value: Array(value.prefix(20)).span)
        }
    }
}
