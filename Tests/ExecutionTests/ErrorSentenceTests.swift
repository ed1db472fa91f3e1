import ChoraleBase
import Codec
import Testing

@testable import Execution

/// What errors say to people: the rule, what was found and what it should have been.
@Suite struct ErrorSentenceTests {
    static let hash = Bytes32.zero
    static let other = Bytes32(storage: .init(repeating: 0xAB))
    static let address = Address(UInt256(0xAA))
    static let word = UInt256(1_000_000_007)

    static let rlp: [RLPError] = [
        .truncated, .lengthBeyondEnd(length: 7, remaining: 3), .lengthNotMinimal,
        .byteNotMinimal(5), .trailingBytes(2), .tooManyItems(limit: 4), .tooDeep(limit: 32),
        .unexpectedKind(.bytes), .unexpectedKind(.list), .missingItem, .integerNotMinimal,
        .wrongSize(found: 31, expected: 32),
    ]

    static let faults: [TransactionFault] = [
        .typeNotYet(.setCode, .cancun), .chainID(found: word, expected: 1),
        .chainID(found: nil, expected: 1), .nonceMax, .priorityAboveMax, .costOverflow,
        .intrinsicGas(limit: 20_999, needed: 21_000), .floorGas(limit: 1, needed: 2),
        .initcodeTooLarge(49_153, limit: 49_152), .gasAboveCap(1 << 25, limit: 1 << 24), .noBlobs,
        .tooManyBlobs(7, limit: 6), .blobVersion(2), .noAuthorizations,
    ]

    static let signatures: [TransactionError] = [
        .rlp(.truncated), .empty, .unknownType(5), .recoveryValue(word), .yParity(2),
        .signatureRange, .notRecoverable,
    ]

    static let transactions: [TransactionRejection] =
        faults.map { .fault($0) } + signatures.map { .signature($0) } + [
            .nonce(found: 5, expected: 4), .funds(needed: word, balance: .one),
            .funds(needed: nil, balance: .one), .senderHasCode,
            .maxFeeBelowBaseFee(maxFee: .one, baseFee: word),
            .maxBlobFeeBelowBaseFee(maxFee: .one, baseFee: word),
            .blockGas(limit: 3, available: 2), .blobGas(used: 3, available: 2),
        ]

    static let bloom = [UInt8](repeating: 0, count: 256)

    static let blocks: [BlockRejection] =
        transactions.map { .transaction(3, $0) } + [
            .extraDataTooLong(33, limit: 32), .gasLimitTooLow(4999, limit: 5000),
            .gasLimitTooHigh(1 << 63), .gasUsedAboveLimit(used: 2, limit: 1),
            .difficultyNotZero(word), .nonceNotZero(1), .ommers(1),
            .ommersHash(found: hash, expected: other), .field(.baseFee, isThere: false, .paris),
            .field(.withdrawalsRoot, isThere: true, .paris),
            .field(.blobGas, isThere: false, .cancun),
            .field(.requestsHash, isThere: true, .cancun), .tooLarge(9, limit: 8),
            .parentHash(found: hash, expected: other), .number(found: 5, expected: 6),
            .timestamp(found: 5, parent: 5), .gasLimitStep(found: 40_000, parent: 30_000),
            .baseFee(found: UInt256(7), expected: UInt256(8)),
            .excessBlobGas(found: 1, expected: 0),
            .transactionsRoot(found: hash, expected: other),
            .withdrawalsRoot(found: hash, expected: other), .blobGasUsed(found: 1, expected: 0),
            .gasUsed(found: 1, expected: 2), .bloom(found: bloom, expected: bloom),
            .requestsHash(found: hash, expected: other), .stateRoot(found: hash, expected: other),
            .receiptsRoot(found: hash, expected: other), .systemContractMissing(address),
            .systemCallFailed(address), .depositLayout,
        ]

    static let nodes: [TrieNodeFault] =
        rlp.map { .rlp($0) } + [
            .itemCount(3), .path, .emptyExtension, .extensionWithoutBranch, .emptyValue,
            .sparseBranch, .reference(size: 5), .embeddedTooLarge(33), .notEmbedded(31),
        ]

    static let states: [StateError] =
        nodes.map { .trie(.malformed(other, $0)) } + [
            .trie(.missing(other)), .trie(.tooLarge(limit: 5)), .trie(.tooManyNodes(limit: 5)),
            .source(.unavailable("a disk")), .source(.damaged("a table")),
            .source(.mismatch(hash, found: other)),
            .source(.oversized(other, size: 533, limit: 532)),
            .codeMissing(other), .accountMalformed(address), .slotMalformed(address, slot: .one),
            .blockHashMissing(17),
        ]

    static let witnesses: [WitnessError] =
        rlp.map { .rlp($0) } + [
            .unknownForm(first: [1, 2]), .unknownForm(first: []), .hex(position: 5),
            .ssz(offset: 4), .json(member: "state"), .answer("no"), .tooLarge(2, limit: 1),
            .tooMany(.codes, limit: 1), .noHeaders, .header(0, .truncated), .headersNotLinked(1),
            .parentMissing(other), .unused(.nodes, count: 2, first: other),
            .unused(.headers, count: 1, first: other), .repeated(.codes, count: 1, first: other),
        ]

    static let failures: [StatelessFailure] =
        witnesses.map { .witness($0) } + states.map { .incomplete($0) }
        + blocks.map { .rejected($0) } + [
            .block(.rlp(.truncated)), .block(.transaction(1, .empty)), .gas(2, limit: 1),
        ]

    static let payloads: [PayloadError] = [
        .bloomSize(5), .extraDataSize(33), .transaction(1, .empty), .versionedHashes,
    ]

    /// The cases that a list of examples has.
    private func kinds(_ values: [some Any]) -> Set<String> {
        Set(values.map { Mirror(reflecting: $0).children.first?.label ?? "\($0)" })
    }

    /// A case that is added has to be added here.
    @Test func everyCaseIsHere() {
        #expect(kinds(Self.rlp).count == 11)
        #expect(kinds(Self.faults).count == 13)
        #expect(kinds(Self.signatures).count == 7)
        #expect(kinds(Self.transactions).count == 9)
        #expect(kinds(Self.blocks).count == 28)
        #expect(kinds(Self.nodes).count == 10)
        #expect(kinds(Self.states).count == 6)
        #expect(kinds(Self.witnesses).count == 14)
        #expect(kinds(Self.failures).count == 5)
    }

    @Test func everySentenceSaysSomething() {
        var sentences = Set<String>()
        for failure in Self.failures {
            let sentence = "\(failure)"
            #expect(!sentences.contains(sentence), "said twice: \(sentence)")
            sentences.insert(sentence)
            #expect(sentence.count > 15 && !sentence.contains("\n"))
            // Neither names of cases nor of types, and no full stop.
            for word in ["Execution", "Optional", "Bytes32", "(found", "rlp(", "fault(", "nil"] {
                #expect(!sentence.contains(word), "\(sentence)")
            }
            #expect(sentence.last != ".")
        }
        for payload in Self.payloads { #expect("\(payload)".count > 15) }
    }

    /// Where a rule compares two values, both are in the sentence.
    @Test(arguments: [
        (
            BlockRejection.baseFee(found: UInt256(7), expected: UInt256(8)),
            "base fee 7 is not 8, which the parent's base fee, gas used and gas limit give "
                + "(EIP-1559)"
        ),
        (.number(found: 5, expected: 6), "number 5 is not 6, the one after the parent's"),
        (
            .gasUsed(found: 21_001, expected: 21_000),
            "gas used 21001 is not 21000, which the transactions took"
        ),
        (
            .transaction(3, .nonce(found: 5, expected: 4)),
            "transaction 3: nonce 5 is not 4, the sender's"
        ),
        (
            .transaction(0, .funds(needed: UInt256(1) << 200, balance: .zero)),
            "transaction 0: the sender's balance 0 is less than "
                + "1606938044258990275541962092341162602522202993782792835301376 "
                + "that gas, blobs and value may cost"
        ),
        (
            .stateRoot(found: hash, expected: other),
            "state root 0x" + String(repeating: "00", count: 32) + " is not 0x"
                + String(repeating: "ab", count: 32) + ", the root that execution gave"
        ),
    ])
    func bothValues(_ rejection: BlockRejection, _ sentence: String) {
        #expect("\(rejection)" == sentence)
    }

    @Test func bloomsAreComparedNotShown() {
        var found = Self.bloom
        found[17] = 0x21
        found[200] = 1
        let sentence = "\(BlockRejection.bloom(found: found, expected: Self.bloom))"
        #expect(
            sentence == "bloom is not that of the logs: 3 of 2048 bits differ, the first in byte "
                + "17, which is 0x21 and not 0x00 (yellow paper 4.4.1)")
    }

    @Test func decimal() {
        #expect(UInt256.zero.decimal == "0")
        #expect(UInt256(UInt64.max).decimal == "18446744073709551615")
        #expect(
            (UInt256(10_000_000_000_000_000_000) &* UInt256(10)).decimal == "1"
                + String(repeating: "0", count: 20))
        #expect(
            UInt256.max.decimal
                == "115792089237316195423570985008687907853269984665640564039457584007913129639935")
    }
}
