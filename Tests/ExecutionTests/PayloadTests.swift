import ChoraleBase
import Codec
import TestSupport
import Testing

@testable import Execution

/// Requests of consensus clients with a witness, and what must be answered.
@Suite(.enabled(if: Fixtures.root != nil, Comment(rawValue: Fixtures.absence)))
struct PayloadTests {
    static let forks: [String: (Fork, BlobSchedule)] = [
        "shanghai": (.shanghai, .cancun), "cancun": (.cancun, .cancun),
        "prague": (.prague, .prague), "osaka": (.osaka, .prague), "bpo1": (.osaka, .bpo1),
        "bpo2": (.osaka, .bpo2),
    ]

    @Test func statelessRequests() throws {
        let lines = try Fixtures.lines("engine/stateless.jsonl.gz")
        #expect(!lines.isEmpty)
        for line in lines {
            let name = try line["name"].string
            let expected = try line["result"]
            let isValid = try expected["status"].string == "VALID"
            do {
                let roots = try roots(line)
                #expect(isValid, "\(name)")
                guard isValid else { continue }
                #expect(try roots.stateRoot.bytes == expected["stateRoot"].hex, "\(name)")
                #expect(try roots.receiptsRoot.bytes == expected["receiptsRoot"].hex, "\(name)")
            } catch {
                #expect(!isValid, "\(name): \(error)")
            }
        }
    }

    private func roots(_ line: JSON) throws -> StatelessVerdict.Roots {
        let (fork, blobs) = try #require(Self.forks[try line["fork"].string])
        let rules = ChainRules.always(fork, blobs: blobs, chainID: try line["chainId"].uint64)
        let parameters = try line["request"]["params"].array
        let payload = try payload(parameters[0])
        let block: Block
        switch try line["request"]["method"].string {
        case "engine_executeStatelessPayloadV2":
            block = try payload.block()
        case "engine_executeStatelessPayloadV3":
            block = try payload.block(
                parentBeaconRoot: parameters[2].digest,
                versionedHashes: parameters[1].array.map { try $0.digest })
        default:
            block = try payload.block(
                parentBeaconRoot: parameters[2].digest,
                versionedHashes: parameters[1].array.map { try $0.digest },
                requests: parameters[3].array.map { try $0.hex })
        }
        let witness = try Witness(rlp: #require(parameters.last).hex)
        return try StatelessExecution(rules: rules).verdict(
            block, size: block.encoded.count, witness
        ).roots
    }

    private func payload(_ json: JSON) throws -> ExecutionPayload {
        ExecutionPayload(
            parentHash: try json["parentHash"].digest,
            feeRecipient: Address(try json["feeRecipient"].word),
            stateRoot: try json["stateRoot"].digest, receiptsRoot: try json["receiptsRoot"].digest,
            logsBloom: try json["logsBloom"].hex, prevRandao: try json["prevRandao"].digest,
            blockNumber: try json["blockNumber"].word.l0, gasLimit: try json["gasLimit"].word.l0,
            gasUsed: try json["gasUsed"].word.l0, timestamp: try json["timestamp"].word.l0,
            extraData: try json["extraData"].hex, baseFeePerGas: try json["baseFeePerGas"].word,
            transactions: try json["transactions"].array.map { try $0.hex },
            withdrawals: try json.optional("withdrawals")?.array.map { withdrawal in
                Withdrawal(
                    index: try withdrawal["index"].word.l0,
                    validatorIndex: try withdrawal["validatorIndex"].word.l0,
                    address: Address(try withdrawal["address"].word),
                    amount: try withdrawal["amount"].word.l0)
            },
            blobGasUsed: try json.optional("blobGasUsed")?.word.l0,
            excessBlobGas: try json.optional("excessBlobGas")?.word.l0)
    }
}

extension JSON {
    fileprivate var digest: Bytes32 { get throws { try word.bytes32 } }
}
