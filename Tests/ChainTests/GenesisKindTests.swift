import Operations
import Testing

@testable import Chain

/// Kinds of operations as `config.yaml` lists them.
@Suite struct GenesisKindTests {
    @Test func aNameIsEnough() throws {
        let kind = try GenesisKinds.kind("inference")
        #expect(kind.number == 1 && kind.capability == 1 && kind.policy == .proof)
        #expect(kind.isDeterministic && kind.proofTypes == [64] && kind.partsMax == 64)
        #expect(kind.ttlMin...kind.ttlMax == OperationsContract.ttls && kind.feeMin == 1)
    }

    @Test func whatACommitteeExecutesHasNoProofs() throws {
        let kind = try GenesisKinds.kind("inference-committee")
        #expect(kind.number == 2 && kind.capability == 1 && kind.policy == .committee)
        #expect(kind.isDeterministic && kind.proofTypes.isEmpty && kind.partsMax == 1)
    }

    @Test func wordsChangeWhatIsUsual() throws {
        let kind = try GenesisKinds.kind(
            "inference ttl-max=4096 fee-min=79228162514264337593543950335 proofs=64,67")
        #expect(kind.ttlMax == 4096 && kind.proofTypes == [64, 67])
        #expect(kind.feeMin == OperationsContract.feeMax)
        let other = try GenesisKinds.kind(
            "kind number=9 capability=255 policy=committee deterministic=false output-max=32")
        #expect(other.number == 9 && other.policy == .committee && other.proofTypes.isEmpty)
        #expect(!other.isDeterministic && other.inputSizeMax == 0)
    }

    /// Each says what is wrong with it.
    @Test(
        arguments: [
            ("", "begins with inference, inference-committee, kind"), ("guess", "begins with"),
            ("inference ttl", "`ttl` is none of"), ("inference ttl=5", "`ttl=5` is none of"),
            ("inference ttl-max=", "none of"), ("inference ttl-max=-1", "not a number"),
            ("inference ttl-max=+16", "not a number"), ("inference ttl-max=99999", "ttl 16"),
            ("inference ttl-max=20 ttl-max=30", "said twice"),
            ("inference parts-max=300", "not a number that fits"),
            ("inference parts-max=0", "0 parts"), ("inference proofs=64,x", "no type's number"),
            ("inference proofs=67,64", "proof types"),
            ("inference policy=trust", "`policy` is none"),
            ("inference deterministic=yes", "not true or false"),
            ("inference deterministic=false", "not deterministic"), ("kind", "is missing"),
            ("inference output-max=0", "outputs of 0"), ("inference number=0", "kind 0"),
        ] as [(String, String)])
    func wrongEntriesSayWhy(text: String, reason: String) throws {
        do throws(GenesisKinds.EntryError) {
            let kind = try GenesisKinds.kind(text)
            Issue.record("\(text) is \(kind)")
        } catch {
            #expect(error.reason.contains(reason), "\(text): \(error.reason)")
        }
    }
}
