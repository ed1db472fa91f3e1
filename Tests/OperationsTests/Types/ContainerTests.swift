import ChoraleBase
import ChoraleTypes
import Codec
import OrderedCollections
import Testing

@testable import Operations

/// Round trip, truncations and flipped bits: what decodes has one encoding, and is never the same value.
func checkCodec<Value: SSZCodable & Equatable>(_ value: Value, sizeMax: Int) throws {
    let bytes = value.sszEncoded()
    #expect(bytes.count <= sizeMax)
    let decoded = try Value(ssz: bytes.span)
    #expect(decoded == value)
    let step = max(1, bytes.count / 400)
    for size in stride(from: 0, to: bytes.count, by: step) {
        let prefix = Array(bytes.prefix(size))
        let shorter = try? Value(ssz: prefix.span)
        if let shorter { #expect(shorter.sszEncoded() == prefix) }
    }
    for position in stride(from: 0, to: bytes.count, by: step) {
        for bit in 0..<8 {
            var flipped = bytes
            flipped[position] ^= 1 << UInt8(bit)
            let other = try? Value(ssz: flipped.span)
            #expect(other != value)
            if let other { #expect(other.sszEncoded() == flipped) }
        }
    }
}

@Suite struct ContainerTests {
    @Test func containersRoundTrip() throws {
        for kind in Fixture.kinds { try checkCodec(kind, sizeMax: 100) }
        try checkCodec(Fixture.request(), sizeMax: 150)
        try checkCodec(Fixture.registration(1).message, sizeMax: 92)
        try checkCodec(Fixture.renewal(by: 1, progress: 1000), sizeMax: LeaseRenewal.encodedSizeMax)
        try checkCodec(Fixture.commitment(by: 1), sizeMax: ExecutionCommitment.encodedSizeMax)
        try checkCodec(
            Fixture.commitment(
                by: 1,
                parts: (0..<64).map { Fixture.part($0, types: [1, 2, 80, 255]) }),
            sizeMax: ExecutionCommitment.encodedSizeMax)
    }

    @Test func registriesRoundTrip() throws {
        var course = try RegistryTests.committed()
        _ = try course.block(
            [course.certified(1, by: [1, 2]), course.verdict(.disputed)],
            slashed: [Fixture.key(course.elected()[2])],
            logs: [
                Fixture.log(Fixture.request("next", requester: 3)),
                Fixture.log(Fixture.registration(1, signedBy: 2)),
                Fixture.exit(course.elected()[1]),
            ])
        #expect(course.registry.slashed.count == 1)
        #expect(course.registry.payments.count == 2)
        try checkCodec(course.registry, sizeMax: 2000)
        try checkCodec(OperationRegistry(), sizeMax: 32)
        let bytes = course.registry.sszEncoded()
        let decoded = try OperationRegistry(ssz: bytes.span)
        #expect(decoded.hashTreeRoot == course.registry.hashTreeRoot)
    }

    @Test func theLargestCommitmentKeepsToItsBound() throws {
        let content = Fixture.commitment(
            by: 1, parts: (0..<64).map { Fixture.part($0, types: [1, 2, 80, 255]) }
        ).content
        let signature = ExecutorSignature(
            scheme: .ed25519, bytes: SignatureBytes([UInt8](repeating: 1, count: 96))!)
        let largest = ExecutionCommitment(content: content, signature: signature)
        #expect(largest.sszEncoded().count == ExecutionCommitment.encodedSizeMax)
        #expect(ExecutionCommitment.encodedSizeMax < 14_500)
        let renewal = LeaseRenewal(
            content: Fixture.renewal(by: 1, progress: 1).content, signature: signature)
        #expect(renewal.sszEncoded().count == LeaseRenewal.encodedSizeMax)
    }

    @Test func partsHangTogether() {
        func content(_ parts: [PartCommitment]) -> ExecutionCommitmentContent? {
            ExecutionCommitmentContent(
                operation: .zero, executor: .zero, outputHash: .zero, outputSize: 1,
                outputRoot: .zero, price: 0, planRoot: .zero, parts: parts)
        }
        let parts = (0..<5).map { Fixture.part($0) }
        #expect(content(parts) != nil)
        #expect(content([]) == nil)
        var swapped = parts
        swapped.swapAt(1, 2)
        #expect(content(swapped) == nil)
        #expect(content([parts[0], parts[2]]) == nil)
        #expect(content([parts[0], parts[0]]) == nil)
        #expect(content([parts[0], Fixture.part(9)]) == nil)
        #expect(content((0..<64).map { Fixture.part($0) }) != nil)
        #expect(content((0..<65).map { Fixture.part($0) }) == nil)
    }

    @Test func contentsKeepToTheirBounds() {
        func content(_ size: UInt64, _ price: UInt128) -> ExecutionCommitmentContent? {
            ExecutionCommitmentContent(
                operation: .zero, executor: .zero, outputHash: .zero, outputSize: size,
                outputRoot: .zero, price: price, planRoot: .zero, parts: [Fixture.part(0)])
        }
        #expect(content(0, 0) == nil)
        #expect(content(1 << 40, 0) == nil)
        #expect(content(1 << 40 - 1, 1 << 96 - 1) != nil)
        #expect(content(1, 1 << 96) == nil)
        #expect(LeaseRenewalContent(operation: .zero, executor: .zero, progress: 0) == nil)
        #expect(LeaseRenewalContent(operation: .zero, executor: .zero, progress: 1001) == nil)
        #expect(ProofReference(type: 1, size: 0, root: .zero) == nil)
        let proof = ProofReference(type: 1, size: 1, root: .zero)!
        let other = ProofReference(type: 2, size: 1, root: .zero)!
        #expect(PartCommitment(input: .zero, output: .zero, proofs: [proof, other]) != nil)
        #expect(PartCommitment(input: .zero, output: .zero, proofs: [other, proof]) == nil)
        #expect(PartCommitment(input: .zero, output: .zero, proofs: [proof, proof]) == nil)
    }

    /// Number, deterministic, policy, proof types, parts, ttl; whether it is a kind.
    static let kinds: [(UInt16, Bool, ProofPolicy, [UInt8], UInt8, ClosedRange<UInt64>, Bool)] = [
        (1, true, .proof, [64], 1, 16...65_536, true),
        (0, true, .proof, [64], 1, 16...65_536, false),
        (1, false, .proof, [64], 1, 16...65_536, false),
        (1, false, .enclaveThenProof, [64, 80], 1, 16...65_536, false),
        (1, true, .enclaveThenProof, [64, 80], 1, 16...65_536, true),
        (1, false, .enclave, [80], 1, 16...65_536, true),
        (1, false, .committee, [], 1, 16...65_536, true),
        (1, true, .committee, [64], 1, 16...65_536, false),
        (1, true, .proof, [], 1, 16...65_536, false),
        (1, true, .proof, [65, 64], 1, 16...65_536, false),
        (1, true, .proof, [64, 64], 1, 16...65_536, false),
        (1, true, .proof, [1, 2, 3, 4, 5, 6, 7, 8], 64, 16...16, true),
        (1, true, .proof, [1, 2, 3, 4, 5, 6, 7, 8, 9], 64, 16...16, false),
        (1, true, .proof, [64], 0, 16...65_536, false),
        (1, true, .proof, [64], 65, 16...65_536, false),
        (1, true, .proof, [64], 1, 15...65_536, false),
        (1, true, .proof, [64], 1, 16...65_537, false),
    ]

    @Test(arguments: kinds.indices) func kindsFollowTheRules(index: Int) {
        let (number, isDeterministic, policy, types, parts, ttl, isKind) = Self.kinds[index]
        let kind = try? KindRecord(
            number: number, capability: 0, policy: policy, isDeterministic: isDeterministic,
            proofTypes: types, inputSizeMax: 0, outputSizeMax: 1, partsMax: parts,
            ttlMin: ttl.lowerBound, ttlMax: ttl.upperBound)
        #expect((kind != nil) == isKind)
    }

    @Test func parametersFollowTheRules() throws {
        typealias Fault = OperationParameters.ParameterError
        let network = Fixture.network
        #expect(throws: Fault.kindOrder(8)) {
            try OperationParameters(network: network, kinds: Fixture.kinds.reversed())
        }
        #expect(throws: Fault.kindOrder(7)) {
            try OperationParameters(network: network, kinds: [Fixture.kinds[0], Fixture.kinds[0]])
        }
        #expect(throws: Fault.bondDelay(65_536, minimum: 65_537)) {
            try OperationParameters(network: network, kinds: Fixture.kinds, bondDelay: 65_536)
        }
        #expect(throws: Fault.tooManyKinds(65, limit: 64)) {
            try OperationParameters(
                network: network, kinds: [KindRecord](repeating: Fixture.kinds[0], count: 65))
        }
    }

    @Test func signaturesAreForOneMessageNetworkAndKey() {
        let commitment = Fixture.commitment(by: 1)
        let renewal = Fixture.renewal(by: 1, progress: 5)
        let registration = Fixture.registration(1)
        let other = NetworkDigest([1, 2, 3, 5])!
        #expect(commitment.isSigned(network: Fixture.network))
        #expect(renewal.isSigned(network: Fixture.network))
        #expect(registration.isSigned(network: Fixture.network))
        #expect(!commitment.isSigned(network: other))
        #expect(!renewal.isSigned(network: other))
        #expect(!registration.isSigned(network: other))
        #expect(!Fixture.commitment(by: 1, signedBy: 2).isSigned(network: Fixture.network))
        let elsewhere = LeaseRenewal(
            content: Fixture.renewal(by: 1, progress: 6).content, signature: renewal.signature)
        #expect(!elsewhere.isSigned(network: Fixture.network))
        let unknown = ExecutorSignature(
            scheme: SignatureScheme(rawValue: 2), bytes: renewal.signature.bytes)
        #expect(
            !LeaseRenewal(content: renewal.content, signature: unknown)
                .isSigned(network: Fixture.network))
    }

    @Test func capabilitiesAreBits() {
        let some = Capabilities([0, 9, 255])
        #expect(some.bits.bytes[31] == 1)
        #expect(some.bits.bytes[30] == 2)
        #expect(some.bits.bytes[0] == 0x80)
        #expect((0...255).filter { some.contains(UInt8($0)) } == [0, 9, 255])
        #expect(Capabilities([UInt8]()).isEmpty && !some.isEmpty)
    }
}
